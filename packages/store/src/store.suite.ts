/** What every store promises; run against PGlite and against a real Postgres. */
import type { NewRow, Store } from '@gantry/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const row = (id: string, tenantId: string, name: string, change: Partial<NewRow> = {}): NewRow => ({
  kind: 'job',
  id,
  tenantId,
  name,
  state: 'queued',
  spec: { a: 1 },
  status: {},
  ...change,
});

export function storeSuite(title: string, open: () => Promise<Store>): void {
  describe(title, () => {
    let store: Store;
    beforeAll(async () => {
      store = await open();
    }, 180_000);
    afterAll(() => store[Symbol.asyncDispose]());

    it('gives back what was written and counts versions', async () => {
      const written = await store.tx({ tenantId: 'a' }, (tx) => tx.insert(row('job_01', 'a', 'one')));
      expect(written).toMatchObject({ version: 1, spec: { a: 1 }, state: 'queued' });
      const changed = await store.tx({ tenantId: 'a' }, (tx) =>
        tx.update('job', 'job_01', { expectedVersion: 1, state: 'running' }),
      );
      expect(changed).toMatchObject({ version: 2, state: 'running', spec: { a: 1 } });
      await expect(
        store.tx({ tenantId: 'a' }, (tx) => tx.update('job', 'job_01', { expectedVersion: 1, state: 'x' })),
      ).rejects.toMatchObject({ code: 'version_conflict' });
    });

    it('changes many rows in one go, and leaves alone who has moved on or belongs to others', async () => {
      await store.tx({ tenantId: 'b' }, (tx) => tx.insert(row('job_m4', 'b', 'm4')));
      const changed = await store.tx({ tenantId: 'a' }, async (tx) => {
        for (const name of ['m1', 'm2', 'm3']) await tx.insert(row(`job_${name}`, 'a', name));
        await tx.update('job', 'job_m2', { state: 'elsewhere' });
        const change = { expectedVersion: 1, state: 'starting', status: { text: 'a\0b', list: [null, 'ü'] } };
        const ids = await tx.updateMany(
          'job',
          ['m1', 'm2', 'm3', 'm4', 'm5'].map((name) => ({ id: `job_${name}`, ...change })),
        );
        for (const id of ids)
          await tx.event({ tenantId: 'a', kind: 'job', resourceId: id, type: 'job.placed', actor: 'test' });
        return ids;
      });
      expect([...changed].sort()).toEqual(['job_m1', 'job_m3']);
      const rows = await store.read({ platform: true }, async (tx) => {
        const found = [];
        for (const name of ['m1', 'm2', 'm3', 'm4']) found.push(await tx.get('job', `job_${name}`));
        return found;
      });
      expect(rows.map((each) => [each?.state, each?.version])).toEqual([
        ['starting', 2],
        ['elsewhere', 2],
        ['starting', 2],
        ['queued', 1],
      ]);
      expect(rows[0]).toMatchObject({ spec: { a: 1 }, status: { text: 'a\ufffdb', list: [null, 'ü'] } });
      expect(await store.tx({ tenantId: 'a' }, (tx) => tx.updateMany('job', []))).toEqual(new Set());
    });

    it('keeps many events of one transaction in the order in which they were said', async () => {
      const said = Array.from({ length: 300 }, (_, nth) => `nth.${nth}`);
      await store.tx({ tenantId: 'a' }, async (tx) => {
        for (const type of said)
          await tx.event({ tenantId: 'a', kind: 'job', resourceId: 'job_order', type, actor: 'test' });
      });
      const { items } = await store.read({ tenantId: 'a' }, (tx) =>
        tx.listEvents({ tenantId: 'a', resourceId: 'job_order', limit: 500, newestFirst: false }),
      );
      expect(items.map(({ type }) => type)).toEqual(said);
      expect(items[0]).toMatchObject({ reason: undefined, fromState: undefined, requestId: undefined });
    });

    it('refuses a second live row of the same name, and allows it after deletion', async () => {
      await store.tx({ tenantId: 'a' }, (tx) => tx.insert(row('job_02', 'a', 'twin')));
      await expect(
        store.tx({ tenantId: 'a' }, (tx) => tx.insert(row('job_03', 'a', 'twin'))),
      ).rejects.toMatchObject({ code: 'already_exists' });
      await store.tx({ tenantId: 'a' }, (tx) => tx.softDelete('job', 'job_02'));
      await store.tx({ tenantId: 'a' }, (tx) => tx.insert(row('job_03', 'a', 'twin')));
    });

    it('still tells who had a name and was deleted last', async () => {
      const last = (name: string, tenantId = 'a') =>
        store.read({ tenantId }, (tx) => tx.lastDeleted('job', 'a', name));
      for (const id of ['job_h1', 'job_h2', 'job_h3']) {
        await store.tx({ tenantId: 'a' }, (tx) => tx.insert(row(id, 'a', 'heir')));
        if (id !== 'job_h3') await store.tx({ tenantId: 'a' }, (tx) => tx.softDelete('job', id));
      }
      expect((await last('heir'))?.id).toBe('job_h2');
      expect([await last('nobody'), await last('heir', 'b')]).toEqual([undefined, undefined]);
    });

    it('hides foreign rows even from a query without a tenant filter, and refuses to write them', async () => {
      await store.tx({ tenantId: 'b' }, (tx) => tx.insert(row('job_b1', 'b', 'secret')));
      const seen = await store.read({ tenantId: 'a' }, (tx) =>
        tx.list('job', { limit: 100, newestFirst: false }),
      );
      expect(seen.items.every(({ tenantId }) => tenantId === 'a')).toBe(true);
      expect(await store.read({ tenantId: 'a' }, (tx) => tx.get('job', 'job_b1'))).toBeUndefined();
      await expect(
        store.tx({ tenantId: 'a' }, (tx) => tx.insert(row('job_b2', 'b', 'planted'))),
      ).rejects.toThrow(/row-level security/);
      await expect(
        store.tx({ tenantId: 'a' }, (tx) => tx.update('job', 'job_b1', { state: 'x' })),
      ).rejects.toMatchObject({ code: 'not_found' });
    });

    it('commits a change and its event together, or neither', async () => {
      await expect(
        store.tx({ tenantId: 'a' }, async (tx) => {
          await tx.insert(row('job_04', 'a', 'half'));
          await tx.event({
            tenantId: 'a',
            kind: 'job',
            resourceId: 'job_04',
            type: 'job.submitted',
            actor: 'test',
          });
          throw new Error('stop here');
        }),
      ).rejects.toThrow('stop here');
      expect(await store.read({ tenantId: 'a' }, (tx) => tx.get('job', 'job_04'))).toBeUndefined();
      const events = await store.read({ tenantId: 'a' }, (tx) =>
        tx.listEvents({ tenantId: 'a', resourceId: 'job_04', limit: 10, newestFirst: true }),
      );
      expect(events.items).toEqual([]);
    });

    it('feeds events in commit order to who is listening', async () => {
      const stop = new AbortController();
      const feed = store.feed(stop.signal)[Symbol.asyncIterator]();
      const first = feed.next();
      for (const type of ['one', 'two', 'three']) {
        await store.tx({ tenantId: 'a' }, (tx) =>
          tx.event({ tenantId: 'a', kind: 'job', resourceId: 'job_f', type, actor: 'test' }),
        );
      }
      const types = [(await first).value?.type, (await feed.next()).value?.type];
      stop.abort();
      await feed.return?.();
      // The feed may start after the first was written; it never skips and never turns round.
      expect(['one,two', 'two,three']).toContain(types.join());
    });

    it('counts a usage record once and never lets it change', async () => {
      const record = {
        id: 'u1',
        tenantId: 'a',
        at: new Date().toISOString(),
        userId: 'lena',
        resource: 'cpu_seconds',
        quantity: 12.5,
        unit: 's',
        price: 2,
        currency: 'USD',
      };
      await store.tx({ tenantId: 'a' }, (tx) => tx.usage(record));
      await store.tx({ tenantId: 'a' }, (tx) => tx.usage({ ...record, quantity: 99 }));
      expect(
        await store.read({ tenantId: 'a' }, (tx) => tx.usageReport({ tenantId: 'a', by: 'user' })),
      ).toEqual([
        { key: 'lena', resource: 'cpu_seconds', quantity: 12.5, unit: 's', cost: 25, currency: 'USD' },
      ]);
    });

    it('answers a repeated idempotent request with its first answer, and refuses another under the same key', async () => {
      let acted = 0;
      const ask = (hash: string): Promise<number> =>
        store.idempotent(
          { tenantId: 'a', key: 'k1', route: 'jobs.submit', requestHash: hash },
          async () => (acted += 1),
          () => expect.fail('nothing to recover'),
        );
      expect(await Promise.all([ask('h'), ask('h'), ask('h')])).toEqual([1, 1, 1]);
      await expect(ask('other')).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    });

    it('pages newest first without gaps or repeats', async () => {
      await store.tx({ tenantId: 'p' }, async (tx) => {
        for (let index = 10; index < 35; index += 1) await tx.insert(row(`job_p${index}`, 'p', `p-${index}`));
      });
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.read({ tenantId: 'p' }, (tx) =>
          tx.list('job', { limit: 10, newestFirst: true, ...(cursor === undefined ? {} : { cursor }) }),
        );
        seen.push(...page.items.map(({ id }) => id));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      expect(seen).toEqual([...seen].sort().reverse());
      expect(new Set(seen).size).toBe(25);
    });
  });
}
