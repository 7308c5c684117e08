/** Rows of ended replicas, and models laid out for endpoints that are no more. */
import type { EndpointSpecRecord } from '../endpoints/endpoint-record.ts';
import { allRows } from '../rows.ts';
import { after, dueOf, earlier } from './due.ts';
import type { Sweep } from './sweep.ts';

export const sweepReplicas: Sweep = async ({ deps, files, policy, nowMs }) => {
  const rows = await deps.store.read({ platform: true }, async (tx) => ({
    ended: await allRows(tx, 'replica', ['ended']),
    endpoints: await allRows(tx, 'endpoint'),
  }));
  const replicas = dueOf(
    rows.ended.map((item) => ({ item, dueMs: after(Date.parse(item.updatedAt), policy.workers) })),
    nowMs,
  );
  if (replicas.now.length > 0)
    await deps.store.tx({ platform: true }, async (tx) => {
      for (const { id } of replicas.now) await tx.softDelete('replica', id);
    });
  const served = new Set(
    rows.endpoints.flatMap((row) => {
      const { modelVersionId, rollout, previous } = row.spec as EndpointSpecRecord;
      return [modelVersionId, rollout?.modelVersionId, previous?.modelVersionId];
    }),
  );
  const caches = dueOf(
    (await files.modelCaches())
      .filter(({ id }) => !served.has(id))
      .map((item) => ({ item, dueMs: after(item.modifiedMs, policy.workers) })),
    nowMs,
  );
  let bytes = 0;
  for (const { id } of caches.now) bytes += await files.removeModelCache(id);
  return {
    removed: { replicas: replicas.now.length, 'model caches': caches.now.length },
    bytes,
    nextMs: earlier(replicas.nextMs, caches.nextMs),
  };
};
