/** Postgres over `pg`: a pool for transactions, one connection of its own that listens. */
import { GantryError } from '@gantry/contract';
import pg from 'pg';
import type { Database, Queryable } from './database.ts';

export interface PgDatabaseOptions {
  readonly config: pg.ClientConfig;
  readonly description: string;
  readonly maxConnections?: number;
  readonly onListenError?: (error: unknown) => void;
}

const asQueryable = (client: pg.ClientBase): Queryable => ({
  query: async <R extends Record<string, unknown>>(text: string, values?: readonly unknown[]) => {
    const result = await client.query<R>(text, values === undefined ? undefined : [...values]);
    return { rows: result.rows, rowCount: result.rowCount ?? 0 };
  },
});

/** SQLSTATE classes and socket errors that mean "no database", not "bad query". */
function isAway(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  const message = error instanceof Error ? error.message : '';
  return (
    /^(ECONN|ENOENT|EPIPE|ETIMEDOUT|08|57P|53300)/.test(code) ||
    /terminat|timeout exceeded when trying to connect|not queryable/i.test(message)
  );
}

export function createPgDatabase(options: PgDatabaseOptions): Database {
  const pool = new pg.Pool({
    ...options.config,
    max: options.maxConnections ?? 8,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
  });
  let problem: string | undefined;
  pool.on('error', (error) => {
    problem = error.message;
  });

  const transaction: Database['transaction'] = async (fn) => {
    let client: pg.PoolClient;
    try {
      client = await pool.connect();
      problem = undefined;
    } catch (error) {
      throw away(error);
    }
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await fn(asQueryable(client));
      await client.query('commit');
      return result;
    } catch (error) {
      if (isAway(error)) {
        broken = error as Error;
        throw away(error);
      }
      await client.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  };

  const away = (error: unknown): unknown => {
    if (!isAway(error)) return error;
    problem = error instanceof Error ? error.message : String(error);
    return new GantryError('store_unavailable', 'the database is away; nothing was changed', {
      hint: 'running jobs go on; try again in a moment',
      cause: error,
    });
  };

  const listenOnce = async (channel: string, onNotify: () => void, signal: AbortSignal): Promise<void> => {
    const client = new pg.Client(options.config);
    const ended = new Promise<void>((resolve) => {
      client.on('end', resolve);
      client.on('error', () => resolve());
    });
    await client.connect();
    problem = undefined;
    const onAbort = (): void => void client.end().catch(() => undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    client.on('notification', onNotify);
    await client.query(`listen ${channel}`);
    onNotify();
    await ended;
    signal.removeEventListener('abort', onAbort);
    await client.end().catch(() => undefined);
  };

  return {
    description: options.description,
    transaction,
    listen: async (channel, onNotify, signal) => {
      for (let delayMs = 100; !signal.aborted; delayMs = Math.min(5_000, delayMs * 2)) {
        try {
          await listenOnce(channel, onNotify, signal);
          delayMs = 100;
        } catch (error) {
          problem = error instanceof Error ? error.message : String(error);
          options.onListenError?.(error);
        }
        if (!signal.aborted) await pause(delayMs, signal);
      }
    },
    health: () =>
      problem === undefined ? { ok: true } : { ok: false, reason: `the database is away: ${problem}` },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(finish, delayMs);
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    }
    signal.addEventListener('abort', finish, { once: true });
  });
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
      {
        hint: 'check DATABASE_URL and that the database accepts connections',
        cause: error,
      },
    );
  }
  try {
    return await fn(asQueryable(client), (sql) => client.query(sql));
  } finally {
    await client.end();
  }
}
