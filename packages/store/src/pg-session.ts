/**
 * The one connection that lives as long as the server. It holds an advisory lock, so that two servers never
 * decide on one database, and it hears NOTIFY. The holder's name also stands in `server_lease`, which every
 * transaction compares with its own: where the lock was lost with its connection and another server came, the
 * first one can commit nothing more.
 */
import { hostname } from 'node:os';
import { GantryError } from '@gantry/contract';
import { pause } from '@gantry/kit';
import pg from 'pg';
import type { DatabaseListener } from './database.ts';
import { type Counter, asQueryable } from './pg-connection.ts';

const leaseLockKey = 7_070_003;
const channel = 'gantry_event';

export interface PgSessionOptions {
  readonly config: pg.ClientConfig;
  readonly listener: DatabaseListener;
  readonly counter: Counter;
  /** For how long a server that is just ending may still hold the database. */
  readonly patienceMs?: number;
  onProblem(error: unknown): void;
}

export interface PgSession extends AsyncDisposable {
  readonly holder: string;
  /** Why this server may not go on, once it may not. */
  readonly endedBy: string | undefined;
}

export async function openPgSession(options: PgSessionOptions): Promise<PgSession> {
  const holder = `pid ${process.pid} on ${hostname()} (${crypto.randomUUID().slice(0, 8)})`;
  const closing = new AbortController();
  let endedBy: string | undefined;

  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ ...options.config, keepAlive: true, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  /** Resolves when the connection has ended. */
  const serveOn = async (client: pg.Client): Promise<void> => {
    const ended = new Promise<void>((resolve) => client.on('end', resolve));
    const onAbort = (): void => void client.end().catch(() => undefined);
    closing.signal.addEventListener('abort', onAbort, { once: true });
    client.on('notification', () => options.listener.onNotify());
    await asQueryable(client, options.counter).query(`listen ${channel}`);
    options.listener.onNotify();
    await ended;
    closing.signal.removeEventListener('abort', onAbort);
  };

  let client = await connect();
  try {
    await takeLock(client, options, closing.signal);
    await asQueryable(client, options.counter).query('update server_lease set holder = $1', [holder]);
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }

  const live = async (): Promise<void> => {
    await serveOn(client).catch((error: unknown) => options.onProblem(error));
    for (let delayMs = 100; !closing.signal.aborted; delayMs = Math.min(5_000, delayMs * 2)) {
      try {
        client = await connect();
        await takeLock(client, options, closing.signal);
        const now = await readHolder(client, options.counter);
        if (now !== holder) {
          endedBy = `another gantry took over this database: ${now ?? 'unknown'}`;
          await client.end();
          return;
        }
        delayMs = 100;
        options.listener.onRecovered();
        await serveOn(client);
      } catch (error) {
        options.onProblem(error);
        await client.end().catch(() => undefined);
      }
      await pause(delayMs, closing.signal);
    }
  };
  const living = live();

  return {
    holder,
    get endedBy() {
      return endedBy;
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await client.end().catch(() => undefined);
      await living;
    },
  };
}

async function takeLock(client: pg.Client, options: PgSessionOptions, signal: AbortSignal): Promise<void> {
  const connection = asQueryable(client, options.counter);
  const giveUpAtMs = performance.now() + (options.patienceMs ?? 5_000);
  for (;;) {
    const { rows } = await connection.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [
      leaseLockKey,
    ]);
    if (rows[0]?.ok === true) return;
    if (performance.now() >= giveUpAtMs || signal.aborted) {
      const other = await readHolder(client, options.counter);
      throw new GantryError(
        'database_held',
        `the database is held by another gantry: ${other ?? 'unknown'}`,
        {
          hint: 'stop that one first, or give this one a database of its own',
        },
      );
    }
    await pause(200, signal);
  }
}

async function readHolder(client: pg.Client, counter: Counter): Promise<string | undefined> {
  const { rows } = await asQueryable(client, counter).query<{ holder: string | null }>(
    'select holder from server_lease',
  );
  return rows[0]?.holder ?? undefined;
}
