/** Postgres over `pg`: a pool for transactions beside the session that holds the lease and listens. */
import { GantryError } from '@gantry/contract';
import pg from 'pg';
import type { Database, DatabaseListener } from './database.ts';
import { type Counter, asQueryable, isAway } from './pg-connection.ts';
import { openPgSession } from './pg-session.ts';

export interface PgDatabaseOptions {
  readonly config: pg.ClientConfig;
  readonly description: string;
  readonly maxConnections?: number;
  readonly patienceMs?: number;
  readonly onListenError?: (error: unknown) => void;
}

export async function openPgDatabase(
  options: PgDatabaseOptions,
  listener: DatabaseListener,
): Promise<Database> {
  const counter: Counter = { statements: 0 };
  let problem: string | undefined;
  const note = (error: unknown): void => {
    problem = error instanceof Error ? error.message : String(error);
  };
  const session = await openPgSession({
    config: options.config,
    counter,
    ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
    listener: {
      onNotify: () => listener.onNotify(),
      onRecovered: () => {
        problem = undefined;
        listener.onRecovered();
      },
    },
    onProblem: (error) => {
      note(error);
      options.onListenError?.(error);
    },
  });
  const pool = new pg.Pool({
    ...options.config,
    max: options.maxConnections ?? 8,
    connectionTimeoutMillis: 5_000,
    // A database that takes connections and answers nothing is as good as away.
    query_timeout: 60_000,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
  });
  // Without a listener of its own, a connection that breaks while it is lent out ends the process.
  pool.on('connect', (client) => client.on('error', note));
  pool.on('error', note);

  const away = (error: unknown): unknown => {
    if (!isAway(error)) return error;
    note(error);
    return new GantryError('store_unavailable', 'the database is away; nothing was changed', {
      hint: 'running jobs go on; try again in a moment',
      cause: error,
    });
  };

  const transaction: Database['transaction'] = async (fn) => {
    let client: pg.PoolClient;
    try {
      client = await pool.connect();
      problem = undefined;
    } catch (error) {
      throw away(error);
    }
    const connection = asQueryable(client, counter);
    let broken: Error | undefined;
    try {
      await connection.query('begin');
      const result = await fn(connection);
      await connection.query('commit');
      return result;
    } catch (error) {
      if (isAway(error)) {
        broken = error as Error;
        throw away(error);
      }
      await connection.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  };

  return {
    description: options.description,
    holder: session.holder,
    transaction,
    stats: counter,
    health: () => {
      const reason =
        session.endedBy ?? (problem === undefined ? undefined : `the database is away: ${problem}`);
      return reason === undefined ? { ok: true } : { ok: false, reason };
    },
    [Symbol.asyncDispose]: async () => {
      await session[Symbol.asyncDispose]();
      await pool.end();
    },
  };
}
