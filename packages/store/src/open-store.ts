import { join } from 'node:path';
import type { Store } from '@gantry/ports';
import type { Database, DatabaseListener } from './database.ts';
import {
  type EmbeddedPostgres,
  hasEmbeddedPostgres,
  startEmbeddedPostgres,
} from './embedded/embedded-postgres.ts';
import { migrate } from './migrate.ts';
import { withOwner } from './pg-connection.ts';
import { openPgDatabase } from './pg-database.ts';
import { openPgliteFiles, openPgliteInMemory } from './pglite-database.ts';
import { openSqlStore } from './sql-store.ts';

export type StoreOptions =
  /** A Postgres of its own; where no binary is for this platform, as `pglite`. */
  | { readonly kind: 'embedded'; readonly dataDir: string }
  /** Inside this process, in files. */
  | { readonly kind: 'pglite'; readonly dataDir: string }
  | {
      readonly kind: 'url';
      readonly url: string;
      /** For how long another server may still hold the database before this one gives up. */
      readonly patienceMs?: number;
    }
  | { readonly kind: 'memory' };

export interface StoreLog {
  warn(fields: object, message: string): void;
}

export async function openStore(options: StoreOptions, log?: StoreLog): Promise<Store> {
  const onListenError = (error: unknown): void =>
    log?.warn({ error: String(error) }, 'the session with the database broke; connecting again');
  switch (options.kind) {
    case 'memory':
      return openSqlStore(openPgliteInMemory);
    case 'pglite':
      return openSqlStore((listener) => openPgliteFiles(join(options.dataDir, 'pglite'), listener));
    case 'url':
      return openSqlStore((listener) => openUrl(options, listener, onListenError));
    case 'embedded': {
      if (!hasEmbeddedPostgres()) {
        log?.warn({}, 'no Postgres binary came with this install; the database runs inside the server');
        return openStore({ ...options, kind: 'pglite' }, log);
      }
      const server = await startEmbeddedPostgres(options.dataDir);
      server.onExit((message) => log?.warn({ message }, 'postgres ended; starting it again'));
      try {
        return await openSqlStore((listener) => openEmbedded(server, listener, onListenError), server);
      } catch (error) {
        await server[Symbol.asyncDispose]();
        throw error;
      }
    }
  }
}

async function openEmbedded(
  server: EmbeddedPostgres,
  listener: DatabaseListener,
  onListenError: (error: unknown) => void,
): Promise<Database> {
  const where = { host: server.socketDir, port: server.port };
  await withOwner({ ...where, user: 'gantry_owner', database: 'postgres' }, async (connection) => {
    const { rows } = await connection.query("select 1 as one from pg_database where datname = 'gantry'");
    if (rows.length === 0) await connection.query('create database gantry');
  });
  await withOwner({ ...where, user: 'gantry_owner', database: 'gantry' }, migrate);
  return openPgDatabase(
    {
      config: { ...where, user: 'gantry_app', database: 'gantry' },
      description: 'postgres 18 (embedded)',
      onListenError,
    },
    listener,
  );
}

/** The URL's role owns the schema; queries run as `gantry_app`, which it must be allowed to become. */
async function openUrl(
  { url, patienceMs }: { readonly url: string; readonly patienceMs?: number },
  listener: DatabaseListener,
  onListenError: (error: unknown) => void,
): Promise<Database> {
  await withOwner({ connectionString: url }, async (connection, exec) => {
    await migrate(connection, exec);
    await exec('grant gantry_app to current_user');
  });
  return openPgDatabase(
    {
      config: { connectionString: url, options: '-c role=gantry_app' },
      description: 'postgres (DATABASE_URL)',
      onListenError,
      ...(patienceMs === undefined ? {} : { patienceMs }),
    },
    listener,
  );
}
