/** The end of a replica in the books: its time is paid, its row ended, and a crash counted against the endpoint. */
import type { Row, Tx } from '@gantry/ports';
import { heldByReplica } from './held-by-replica.ts';
import type { PriceBook } from '../ledger/price-book.ts';
import type {
  EndpointSpecRecord,
  EndpointStatusRecord,
  ReplicaSpecRecord,
  ReplicaStatusRecord,
} from './endpoint-record.ts';

export interface ReplicaEnd {
  readonly replicaId: string;
  readonly message: string;
  readonly nowMs: number;
  readonly prices: PriceBook;
}

export interface ReplicaEnded {
  readonly row: Row;
  /** Until a replacement may start; undefined when none is wanted. */
  readonly backoffMs: number | undefined;
}

/**
 * A replica that served for so long has not "crashed again": the count starts over. Short, because who waits out the
 * pause are the users; an engine that cannot even start is what it is for.
 */
const healthyLifeMs = 10_000;
const longestBackoffMs = 60_000;

export const backoffAfter = (crashes: number): number =>
  Math.min(longestBackoffMs, 500 * 2 ** Math.min(Math.max(0, crashes - 1), 7));

/** Undefined when it had ended before. */
export async function endReplica(tx: Tx, end: ReplicaEnd): Promise<ReplicaEnded | undefined> {
  const before = await tx.get('replica', end.replicaId);
  if (before === undefined || before.state === 'ended') return undefined;
  const status = before.status as ReplicaStatusRecord;
  const endpoint = await tx.get('endpoint', before.parentId ?? '');
  await recordReplicaUsage(tx, before, endpoint, end);
  const isWanted = before.state !== 'draining' && endpoint !== undefined;
  const {
    workerId,
    placedAt: _placed,
    node: _node,
    devices: _devices,
    otherRanks: _others,
    masterPort: _port,
    ...kept
  } = status;
  const row = await tx.update('replica', before.id, {
    expectedVersion: before.version,
    state: 'ended',
    status: {
      ...kept,
      message: end.message,
      ...(workerId === undefined ? {} : { endedWorkerId: workerId }),
    } satisfies ReplicaStatusRecord,
  });
  await tx.event({
    tenantId: before.tenantId,
    kind: 'replica',
    resourceId: before.id,
    type: 'replica.ended',
    fromState: before.state,
    toState: 'ended',
    actor: 'reconciler',
    reason: { message: end.message },
  });
  if (!isWanted) return { row, backoffMs: undefined };
  const livedMs = status.readyAt === undefined ? 0 : end.nowMs - Date.parse(status.readyAt);
  const endpointStatus = endpoint.status as EndpointStatusRecord;
  const crashes = livedMs >= healthyLifeMs ? 1 : (endpointStatus.crashes ?? 0) + 1;
  const backoffMs = backoffAfter(crashes);
  await tx.update('endpoint', endpoint.id, {
    expectedVersion: endpoint.version,
    status: {
      ...endpointStatus,
      crashes,
      lastFailure: end.message,
      retryAt: new Date(end.nowMs + backoffMs).toISOString(),
    } satisfies EndpointStatusRecord,
  });
  return { row, backoffMs };
}

async function recordReplicaUsage(
  tx: Tx,
  row: Row,
  endpoint: Row | undefined,
  { nowMs, prices }: ReplicaEnd,
): Promise<void> {
  const { placedAt, workerId } = row.status as ReplicaStatusRecord;
  if (placedAt === undefined || workerId === undefined) return;
  const { resource, units } = heldByReplica(row.spec as ReplicaSpecRecord);
  const owner = endpoint?.spec as EndpointSpecRecord | undefined;
  const at = new Date(nowMs).toISOString();
  const { perUnit, currency } = prices.priceOf(resource, at);
  await tx.usage({
    id: `replica:${workerId}`,
    tenantId: row.tenantId,
    at,
    userId: owner?.user ?? 'platform',
    ...(owner === undefined ? {} : { queueId: owner.queueId }),
    endpointId: row.parentId ?? '',
    resource,
    quantity: (Math.max(0, nowMs - Date.parse(placedAt)) / 1_000) * units,
    unit: 's',
    price: perUnit,
    currency,
  });
}
