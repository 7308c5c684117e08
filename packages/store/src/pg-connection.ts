/** A connection with its errors told apart: "no database" is one thing, "bad query" another. */
import { GantryError } from '@gantry/contract';
import pg from 'pg';
import type { Queryable } from './database.ts';

export interface Counter {
  statements: number;
}

export const asQueryable = (client: pg.ClientBase, counter: Counter = { statements: 0 }): Queryable => ({
  query: async <R extends Record<string, unknown>>(text: string, values?: readonly unknown[]) => {
    counter.statements += 1;
    const result = await client.query<R>(text, values === undefined ? undefined : [...values]);
    return { rows: result.rows, rowCount: result.rowCount ?? 0 };
  },
});

/** SQLSTATE classes and socket errors that mean "no database", not "bad query". */
export function isAway(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  const message = error instanceof Error ? error.message : '';
  return (
    /^(ECONN|ENOENT|EPIPE|ETIMEDOUT|EHOSTUNREACH|08|57P|53300)/.test(code) ||
    /terminat|timeout exceeded when trying to connect|query read timeout|not queryable/i.test(message)
  );
}

/** A connection with the rights to change the schema, for the length of `fn`. */
export async function withOwner<T>(
  config: pg.ClientConfig,
  fn: (connection: Queryable, exec: (sql: string) => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
  } catch (error) {
    throw new GantryError(
      'store_unavailable',
      `the database cannot be reached: ${error instanceof Error ? error.message : String(error)}`,
      { hint: 'check DATABASE_URL and that the database accepts connections', cause: error },
    );
  }
  try {
    return await fn(asQueryable(client), (sql) => client.query(sql));
  } finally {
    await client.end();
  }
}
