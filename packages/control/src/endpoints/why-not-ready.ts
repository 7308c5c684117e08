/** Why an endpoint is not what it should be, in one sentence. Pure. */
import type { Row } from '@gantry/ports';
import type { EndpointStatusRecord, ReplicaStatusRecord } from './endpoint-record.ts';

/**
 * Undefined where nothing is wrong. `replicas`: those that have not ended; `waitingFor`: what the scheduler says of
 * one in its queue.
 */
export function whyNotReady(
  endpoint: Pick<Row, 'state' | 'status'>,
  replicas: readonly Pick<Row, 'id' | 'state' | 'status'>[],
  waitingFor: (replicaId: string) => string | undefined,
  nowMs: number,
): string | undefined {
  if (endpoint.state !== 'deploying' && endpoint.state !== 'degraded') return undefined;
  const failure = recentFailure(endpoint.status as EndpointStatusRecord, replicas, nowMs);
  if (failure !== undefined) return failure;
  const queued = replicas.find(({ state }) => state === 'queued');
  if (queued !== undefined)
    return `a replica waits: ${waitingFor(queued.id) ?? 'the scheduler has not looked yet'}`;
  const starting = replicas.find(({ state }) => state === 'starting');
  if (starting === undefined) return undefined;
  const { placedAt } = starting.status as ReplicaStatusRecord;
  const since = placedAt === undefined ? '' : ` for ${seconds(nowMs - Date.parse(placedAt))}`;
  return `a replica has been starting${since}`;
}

/** A replica that became ready after the last failure says that it is over. */
function recentFailure(
  { lastFailure, retryAt, crashes = 0 }: EndpointStatusRecord,
  replicas: readonly Pick<Row, 'status'>[],
  nowMs: number,
): string | undefined {
  if (lastFailure === undefined || retryAt === undefined) return undefined;
  const retryMs = Date.parse(retryAt);
  const isOver = replicas.some(({ status }) => {
    const { readyAt } = status as ReplicaStatusRecord;
    return readyAt !== undefined && Date.parse(readyAt) >= retryMs;
  });
  if (isOver) return undefined;
  const next =
    retryMs > nowMs ? `the next is tried in ${seconds(retryMs - nowMs)}` : 'the next is being tried';
  return `the last replica ${lastFailure}; ${next}${crashes > 1 ? ` (${crashes} failed in a row)` : ''}`;
}

const seconds = (ms: number): string => `${Math.max(1, Math.round(ms / 1_000))} s`;
