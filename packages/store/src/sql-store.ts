/** The port's store over any of the databases. */
import { GantryError } from '@gantry/contract';
import type { Scope, Store, Tx } from '@gantry/ports';
import type { Database, DatabaseListener } from './database.ts';
import { createFeed } from './feed.ts';
import { createIdempotency } from './idempotency.ts';
import { type SqlTx, createSqlTx } from './sql-tx.ts';

export async function openSqlStore(
  open: (listener: DatabaseListener) => Promise<Database>,
  server?: AsyncDisposable,
): Promise<Store> {
  const recovered = new Set<() => void>();
  const database = await open({
    onNotify: () => feed.wake(),
    onRecovered: () => {
      for (const listener of recovered) listener();
    },
  });
  const closing = new AbortController();

  const run = async <T>(scope: Scope, fn: (tx: SqlTx) => Promise<T>): Promise<T> =>
    database.transaction(async (connection) => {
      const [tenant, platform] = 'platform' in scope ? ['', 'on'] : [scope.tenantId, 'off'];
      const { rows } = await connection.query<{ holder: string | null }>(
        "select set_config('app.tenant', $1, true), set_config('app.platform', $2, true), (select holder from server_lease) as holder",
        [tenant, platform],
      );
      if (database.holder !== undefined && rows[0]?.holder !== database.holder)
        throw new GantryError('store_unavailable', 'another gantry took over this database', {
          hint: `this one may change nothing any more; the other is ${rows[0]?.holder ?? 'unknown'}`,
        });
      const tx = createSqlTx(connection);
      const result = await fn(tx);
      await idempotency.beforeCommit(tx);
      await tx.flushEvents();
      return result;
    });
  const asTx = <T>(scope: Scope, fn: (tx: Tx) => Promise<T>): Promise<T> => run(scope, fn);
  const feed = createFeed((fn) => run({ platform: true }, fn));
  const idempotency = createIdempotency((tenantId, fn) => run({ tenantId }, fn));

  return {
    tx: asTx,
    read: asTx,
    feed: (signal, options) => feed.read(AbortSignal.any([signal, closing.signal]), options),
    idempotent: idempotency.answer,
    onRecovered: (listener) => {
      recovered.add(listener);
      return { [Symbol.dispose]: () => void recovered.delete(listener) };
    },
    health: () => database.health(),
    facts: { description: database.description },
    stats: database.stats,
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await database[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
    },
  };
}
