/** A replica answers for the first time: its row says so, with how long its cold start took by phase. */
import { type Deps, isoNow } from '../deps.ts';
import type { ReplicaStatusRecord } from './endpoint-record.ts';
import type { EngineStart } from './start-engine.ts';
import type { Origin } from './to-route.ts';

/** A replica that a server before this one saw ready stays what it is: it was no cold start. */
export async function markReady(
  deps: Deps,
  replicaId: string,
  times: EngineStart,
  origin: Origin,
): Promise<void> {
  const readyMs = deps.clock.nowMs();
  const warmMs = await deps.places.engineWarmMs(origin);
  await deps.store.tx({ platform: true }, async (tx) => {
    const row = await tx.get('replica', replicaId);
    if (row?.state !== 'starting') return;
    const status = row.status as ReplicaStatusRecord;
    const coldStart = {
      scheduleMs: Math.max(0, Date.parse(status.placedAt ?? row.createdAt) - Date.parse(row.createdAt)),
      fetchMs: times.fetchMs,
      loadMs: Math.max(0, readyMs - times.startedMs - Math.round(warmMs ?? 0)),
      ...(warmMs === undefined ? {} : { warmMs: Math.round(warmMs) }),
    };
    await tx.update('replica', row.id, {
      expectedVersion: row.version,
      state: 'ready',
      status: { ...status, readyAt: isoNow(deps.clock), coldStart } satisfies ReplicaStatusRecord,
    });
    await tx.event({
      tenantId: row.tenantId,
      kind: 'replica',
      resourceId: row.id,
      type: 'replica.ready',
      fromState: row.state,
      toState: 'ready',
      actor: 'reconciler',
      reason: { coldStart },
    });
  });
}
