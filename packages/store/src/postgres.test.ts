/** What only a real Postgres can show: one holder at a time, and what happens when the database goes away. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '@gantry/ports';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type EmbeddedPostgres,
  hasEmbeddedPostgres,
  startEmbeddedPostgres,
} from './embedded/embedded-postgres.ts';
import { openStore } from './index.ts';

describe.skipIf(!hasEmbeddedPostgres() || process.platform !== 'linux')('on a Postgres', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'gantry-pg-'));
  let server: EmbeddedPostgres;
  let url: string;
  beforeAll(async () => {
    server = await startEmbeddedPostgres(dataDir);
    url = `postgres://gantry_owner@localhost/postgres?host=${encodeURIComponent(server.socketDir)}`;
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const open = (): Promise<Store> => openStore({ kind: 'url', url, patienceMs: 300 });
  const note = (store: Store, type: string): Promise<void> =>
    store.tx({ tenantId: 'a' }, (tx) =>
      tx.event({ tenantId: 'a', kind: 'job', resourceId: 'job_1', type, actor: 'test' }),
    );

  test('a second server is refused and told who holds the database, until the first has ended', async () => {
    {
      await using first = await open();
      await expect(open()).rejects.toMatchObject({
        code: 'database_held',
        message: expect.stringContaining(`pid ${process.pid} on `),
        hint: expect.stringContaining('database of its own'),
      });
      await note(first, 'still.mine');
    }
    await using second = await open();
    await note(second, 'mine.now');
  });

  test('a server whose lock went to another commits nothing more, and says so', async () => {
    await using first = await open();
    await note(first, 'before');
    const [other, killer] = [
      new pg.Client({ connectionString: url }),
      new pg.Client({ connectionString: url }),
    ];
    await Promise.all([other.connect(), killer.connect()]);
    // In line before the holder loses it: a first server that comes back at once stands behind.
    const locked = other.query('select pg_advisory_lock(7070003)');
    const lock = "from pg_locks where locktype = 'advisory' and objid = 7070003";
    await expect
      .poll(async () => (await killer.query(`select 1 ${lock} and not granted`)).rowCount, {
        timeout: 60_000,
      })
      .toBe(1);
    await killer.query(`select pg_terminate_backend(pid) ${lock} and granted`);
    await locked;
    await killer.end();
    await other.query("update server_lease set holder = 'the other one'");
    await expect(note(first, 'after')).rejects.toMatchObject({
      code: 'store_unavailable',
      hint: expect.stringContaining('the other one'),
    });
    await other.end();
    await expect
      .poll(() => first.health(), { timeout: 60_000 })
      .toEqual({ ok: false, reason: 'another gantry took over this database: the other one' });
    await using next = await open();
    await note(next, 'mine');
    await expect(note(first, 'after')).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('a database that is killed is away, comes back, and no event is lost to a reader', async () => {
    await using store = await open();
    const stop = new AbortController();
    let recoveries = 0;
    using _subscription = store.onRecovered(() => (recoveries += 1));
    const read: string[] = [];
    const reading = (async () => {
      for await (const { type } of store.feed(stop.signal, { sinceSeq: 0, tenantId: 'a' })) read.push(type);
    })();
    await note(store, 'before.the.kill');
    await expect.poll(() => read.at(-1), { timeout: 60_000 }).toBe('before.the.kill');

    process.kill(await postmasterPid(url), 'SIGKILL');
    await expect
      .poll(
        () =>
          note(store, 'lost').then(
            () => 'committed',
            (error: { code?: string }) => error.code,
          ),
        {
          timeout: 60_000,
        },
      )
      .toBe('store_unavailable');
    expect(store.health()).toMatchObject({ ok: false, reason: expect.stringContaining('database is away') });

    await expect
      .poll(
        () =>
          note(store, 'after.the.kill').then(
            () => true,
            () => false,
          ),
        { timeout: 60_000 },
      )
      .toBe(true);
    await expect.poll(() => read.at(-1), { timeout: 60_000 }).toBe('after.the.kill');
    await expect.poll(() => recoveries, { timeout: 60_000 }).toBeGreaterThan(0);
    expect(store.health()).toEqual({ ok: true });
    stop.abort();
    await reading;
  });

  test('readers share one connection', async () => {
    await using store = await open();
    const stop = new AbortController();
    let heard = 0;
    const readers = Array.from({ length: 30 }, async () => {
      await store.feed(stop.signal, { sinceSeq: 0 })[Symbol.asyncIterator]().next();
      heard += 1;
    });
    await note(store, 'for.all');
    await expect.poll(() => heard, { timeout: 60_000 }).toBe(readers.length);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<{ count: number }>(
      "select count(*)::int as count from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
    await client.end();
    expect(rows[0]?.count).toBeLessThanOrEqual(9);
    stop.abort();
  });

  test('a create whose server died before its answer is not done twice', async () => {
    await using store = await open();
    const request = { tenantId: 'a', key: 'k-crash', route: 'jobs.submit', requestHash: 'h' };
    let made = 0;
    const act = async (): Promise<string> => {
      made += 1;
      await store.tx({ tenantId: 'a' }, (tx) =>
        tx.insert({
          kind: 'job',
          id: `job_crash${made}`,
          tenantId: 'a',
          name: `crash-${made}`,
          state: 'queued',
          spec: {},
          status: {},
        }),
      );
      throw new Error('the server dies here');
    };
    await expect(store.idempotent(request, act, async (id) => id)).rejects.toThrow('dies here');
    expect(await store.idempotent(request, act, async (id) => id)).toBe('job_crash1');
    expect(made).toBe(1);
  });
});

/** The parent of every backend. */
async function postmasterPid(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const stat = readFileSync(`/proc/${rows[0]?.pid}/stat`, 'utf8');
  await client.end();
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}
