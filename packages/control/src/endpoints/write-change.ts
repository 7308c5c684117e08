/** An endpoint's record changed, with the event that tells of it, in the caller's transaction. */
import { GantryError } from '@gantry/contract';
import type { Tx } from '@gantry/ports';
import { checkVersion } from '../find.ts';
import type { ScalingChange } from './autoscaler.ts';
import type { EndpointChange } from './change-endpoint.ts';
import type { EndpointSpecRecord, EndpointStatusRecord } from './endpoint-record.ts';
import { desiredReplicas } from './wanted-revisions.ts';

export interface ChangeAuthor {
  readonly actor: string;
  readonly requestId?: string;
  /** The change is refused when the endpoint has moved on from this version. */
  readonly ifMatchVersion?: number | undefined;
}

export async function writeChange(
  tx: Tx,
  endpointId: string,
  decide: (spec: EndpointSpecRecord) => EndpointChange,
  who: ChangeAuthor,
): Promise<void> {
  const row = await tx.get('endpoint', endpointId);
  if (row === undefined) throw new GantryError('not_found', 'the endpoint was deleted meanwhile');
  checkVersion(row, who.ifMatchVersion);
  const before = row.spec as EndpointSpecRecord;
  const { spec, event } = decide(before);
  const isNew = spec.revision !== before.revision || spec.rollout?.revision !== before.rollout?.revision;
  await tx.update('endpoint', endpointId, {
    expectedVersion: row.version,
    spec,
    // Another version deserves a start without the backoff that the last one earned.
    ...(isNew ? { status: withoutFailures(row.status as EndpointStatusRecord) } : {}),
    ...(spec.revision === before.revision ? {} : { state: 'deploying' }),
  });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'endpoint',
    resourceId: endpointId,
    type: event.type,
    actor: who.actor,
    reason: event.reason,
    ...(who.requestId === undefined ? {} : { requestId: who.requestId }),
  });
}

export async function writeScale(
  tx: Tx,
  endpointId: string,
  { replicas, reason, observed, because }: ScalingChange,
  at: string,
): Promise<void> {
  const row = await tx.get('endpoint', endpointId);
  if (row === undefined) return;
  const status = row.status as EndpointStatusRecord;
  const from = desiredReplicas(row.spec as EndpointSpecRecord, status);
  await tx.update('endpoint', endpointId, {
    expectedVersion: row.version,
    status: { ...status, scale: { replicas, reason, observed, at } } satisfies EndpointStatusRecord,
  });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'endpoint',
    resourceId: endpointId,
    type: 'endpoint.autoscaled',
    actor: 'autoscaler',
    reason: { from, to: replicas, reason, observed: Math.round(observed * 100) / 100, because },
  });
}

function withoutFailures(status: EndpointStatusRecord): EndpointStatusRecord {
  const { crashes: _crashes, retryAt: _retryAt, lastFailure: _lastFailure, ...rest } = status;
  return rest;
}
