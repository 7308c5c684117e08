import { GantryError } from '@gantry/contract';
import type { FeedEvent, Scope, Store, Tx } from '@gantry/ports';
import type { Database } from './database.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { migrate } from './migrate.ts';
import { createPgDatabase, withOwner } from './pg-database.ts';
import { createPgliteDatabase } from './pglite-database.ts';
import { SqlTx } from './sql-tx.ts';

export type StoreOptions =
  | { readonly kind: 'embedded'; readonly dataDir: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'memory' };

export interface StoreLog {
  warn(fields: object, message: string): void;
}

export async function openStore(options: StoreOptions, log?: StoreLog): Promise<Store> {
  switch (options.kind) {
    case 'memory':
      return createStore(await createPgliteDatabase());
    case 'url':
      return createStore(await openUrl(options.url, log));
    case 'embedded': {
      const server = await startEmbeddedPostgres(options.dataDir);
      server.onExit((message) => log?.warn({ message }, 'postgres ended; starting it again'));
      try {
        return createStore(await openEmbedded(server, log), server);
      } catch (error) {
        await server[Symbol.asyncDispose]();
        throw error;
      }
    }
  }
}

async function openEmbedded(server: EmbeddedPostgres, log: StoreLog | undefined): Promise<Database> {
  const where = { host: server.socketDir, port: server.port };
  await withOwner({ ...where, user: 'gantry_owner', database: 'postgres' }, async (connection) => {
    const { rows } = await connection.query("select 1 as one from pg_database where datname = 'gantry'");
    if (rows.length === 0) await connection.query('create database gantry');
  });
  await withOwner({ ...where, user: 'gantry_owner', database: 'gantry' }, migrate);
  return createPgDatabase({
    config: { ...where, user: 'gantry_app', database: 'gantry' },
    description: 'postgres 18 (embedded)',
    onListenError: (error) => log?.warn({ error: String(error) }, 'the feed lost the database'),
  });
}

/** The URL's role owns the schema; queries run as `gantry_app`, which it must be allowed to become. */
async function openUrl(url: string, log: StoreLog | undefined): Promise<Database> {
  await withOwner({ connectionString: url }, async (connection, exec) => {
    await migrate(connection, exec);
    await exec('grant gantry_app to current_user');
  });
  return createPgDatabase({
    config: { connectionString: url, options: '-c role=gantry_app' },
    description: 'postgres (DATABASE_URL)',
    onListenError: (error) => log?.warn({ error: String(error) }, 'the feed lost the database'),
  });
}

function createStore(database: Database, server?: AsyncDisposable): Store {
  const run = async <T>(scope: Scope, fn: (tx: Tx) => Promise<T>): Promise<T> =>
    database.transaction(async (connection) => {
      const [tenant, platform] = 'platform' in scope ? ['', 'on'] : [scope.tenantId, 'off'];
      await connection.query(
        "select set_config('app.tenant', $1, true), set_config('app.platform', $2, true)",
        [tenant, platform],
      );
      const tx = new SqlTx(connection);
      const result = await fn(tx);
      await tx.flushEvents();
      return result;
    });
  const asSql = <T>(fn: (tx: SqlTx) => Promise<T>): Promise<T> =>
    run({ platform: true }, (tx) => fn(tx as SqlTx));
  const answering = new Map<string, Promise<unknown>>();
  const closing = new AbortController();

  async function* feed(
    signal: AbortSignal,
    options: { readonly sinceSeq?: number } = {},
  ): AsyncIterable<FeedEvent> {
    const ending = AbortSignal.any([signal, closing.signal]);
    let isNews = true;
    let wake: (() => void) | undefined;
    const onNotify = (): void => {
      isNews = true;
      wake?.();
    };
    ending.addEventListener('abort', onNotify, { once: true });
    const listening = database.listen('gantry_event', onNotify, ending);
    let seq = options.sinceSeq ?? (await asSql((tx) => tx.newestSeq()));
    while (!ending.aborted) {
      if (!isNews) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (isNews) resolve();
        });
        continue;
      }
      isNews = false;
      let events: readonly FeedEvent[] = [];
      try {
        events = await asSql((tx) => tx.eventsAfter(seq, 500));
      } catch (error) {
        if (error instanceof GantryError && error.code === 'store_unavailable') continue; // the listener wakes us when it is back
        throw error;
      }
      if (events.length === 500) isNews = true;
      for (const event of events) {
        seq = event.seq;
        yield event;
      }
    }
    await listening;
  }

  return {
    tx: run,
    read: run,
    feed,
    idempotent: async <T>(
      tenantId: string,
      key: string,
      route: string,
      requestHash: string,
      act: () => Promise<T>,
    ): Promise<T> => {
      const slot = `${tenantId} ${key}`;
      const answer = async (): Promise<T> => {
        const before = await run({ tenantId }, async (tx) => (tx as SqlTx).idempotentAnswer(tenantId, key));
        if (before !== undefined) {
          if (before.route !== route || before.requestHash !== requestHash) {
            throw new GantryError(
              'idempotency_mismatch',
              `the idempotency key "${key}" was used for another request`,
              { hint: 'use a new key for a new request' },
            );
          }
          return before.response as T;
        }
        const response = await act();
        await run({ tenantId }, async (tx) =>
          (tx as SqlTx).keepAnswer(tenantId, key, route, requestHash, response),
        );
        return response;
      };
      // Two at once under one key: the second waits for the first and gets its answer.
      const mine = (answering.get(slot) ?? Promise.resolve()).then(answer, answer);
      answering.set(slot, mine);
      try {
        return await mine;
      } finally {
        if (answering.get(slot) === mine) answering.delete(slot);
      }
    },
    health: () => database.health(),
    facts: { description: database.description },
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await database[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
    },
  };
}
