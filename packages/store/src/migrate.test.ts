import { PGlite } from '@electric-sql/pglite';
import { expect, test } from 'vitest';
import type { Queryable } from './database.ts';
import { migrate } from './migrate.ts';
import { migrations } from './migrations.ts';

test('migrations run once, and a schema from a newer gantry is refused with what to do', async () => {
  await using stack = new AsyncDisposableStack();
  const database = await PGlite.create();
  stack.defer(() => database.close());
  const connection: Queryable = {
    query: async <R extends Record<string, unknown>>(text: string, values?: readonly unknown[]) => {
      const { rows, affectedRows } = await database.query<R>(text, [...(values ?? [])]);
      return { rows, rowCount: affectedRows ?? 0 };
    },
  };
  const up = (): Promise<void> => migrate(connection, (sql) => database.exec(sql));
  await up();
  await up();
  const { rows } = await database.query<{ number: number }>(
    'select number from schema_version order by number',
  );
  expect(rows.map(({ number }) => number)).toEqual(migrations.map(({ number }) => number));

  await database.query("insert into schema_version (number, title) values (999, 'from the future')");
  await expect(up()).rejects.toMatchObject({
    code: 'schema_too_new',
    message: `the database is at schema 999, this gantry knows ${migrations.length}`,
    hint: expect.stringContaining('newer gantry'),
  });
}, 180_000);
