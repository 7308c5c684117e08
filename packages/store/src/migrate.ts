import { GantryError } from '@gantry/contract';
import type { Queryable } from './database.ts';
import { migrations } from './migrations.ts';

const lockKey = 7_070_001;

/** Brings the schema up to date under an advisory lock, as a role that owns it. Two servers may try at once. */
export async function migrate(connection: Queryable, exec: (sql: string) => Promise<unknown>): Promise<void> {
  await connection.query('select pg_advisory_lock($1)', [lockKey]);
  try {
    await exec(`
      create table if not exists schema_version (number int primary key, title text not null, at timestamptz not null default now());
      do $$ begin
        if not exists (select from pg_roles where rolname = 'gantry_app') then
          create role gantry_app login nosuperuser nobypassrls;
        end if;
      end $$;
      grant select on schema_version to gantry_app;
    `);
    const { rows } = await connection.query<{ number: number }>(
      'select number from schema_version order by number',
    );
    const newest = rows.at(-1)?.number ?? 0;
    const known = migrations.at(-1)?.number ?? 0;
    if (newest > known) {
      throw new GantryError(
        'schema_too_new',
        `the database is at schema ${newest}, this gantry knows ${known}`,
        {
          hint: 'start the newer gantry that wrote it, or restore a backup of before',
        },
      );
    }
    for (const migration of migrations.filter(({ number }) => number > newest)) {
      await exec(`begin; ${migration.sql}; commit;`);
      await connection.query('insert into schema_version (number, title) values ($1, $2)', [
        migration.number,
        migration.title,
      ]);
    }
  } finally {
    await connection.query('select pg_advisory_unlock($1)', [lockKey]);
  }
}
