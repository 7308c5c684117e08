/**
 * Postgres inside this process: in memory for tests, in files on platforms without a server binary. Its files outlive
 * a killed process, which writes through the operating system; a machine that loses power may lose the last moments.
 */
import { mkdirSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import type { Database, DatabaseListener, Queryable } from './database.ts';
import { memoryImage } from './memory-image.ts';
import { migrate } from './migrate.ts';

interface Runs {
  query<R>(text: string, values?: unknown[]): Promise<{ rows: R[]; affectedRows?: number }>;
}

const asQueryable = (runs: Runs, counter = { statements: 0 }): Queryable => ({
  query: async <R extends Record<string, unknown>>(text: string, values?: readonly unknown[]) => {
    counter.statements += 1;
    const result = await runs.query<R>(text, values === undefined ? undefined : [...values]);
    return { rows: result.rows, rowCount: result.affectedRows ?? result.rows.length };
  },
});

export async function openPgliteInMemory(listener: DatabaseListener): Promise<Database> {
  const database = await PGlite.create({ loadDataDir: await memoryImage(asQueryable) });
  return open(database, listener, 'PGlite (in memory, nothing survives)');
}

export async function openPgliteFiles(folder: string, listener: DatabaseListener): Promise<Database> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const database = await PGlite.create(folder);
  try {
    await migrate(asQueryable(database), (sql) => database.exec(sql));
    return await open(database, listener, 'PGlite (no Postgres binary for this platform)');
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function open(database: PGlite, listener: DatabaseListener, description: string): Promise<Database> {
  await database.exec('set role gantry_app');
  await database.listen('gantry_event', () => listener.onNotify());
  const stats = { statements: 0 };
  return {
    description,
    holder: undefined,
    transaction: (fn) => database.transaction((tx) => fn(asQueryable(tx, stats))),
    health: () => ({ ok: true }),
    stats,
    [Symbol.asyncDispose]: () => database.close(),
  };
}
