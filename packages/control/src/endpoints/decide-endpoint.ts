/** What an endpoint needs next, from what it asked for and what there is. Pure. */
import type { Row } from '@gantry/ports';
import type { EndpointSpecRecord, ReplicaSpecRecord } from './endpoint-record.ts';

export interface EndpointDecision {
  readonly create: number;
  readonly drain: readonly Row[];
  readonly state: 'deploying' | 'ready' | 'degraded' | 'stopped';
}

/** `endpoint` undefined: it was deleted, everything drains. */
export function decideEndpoint(endpoint: Row | undefined, replicas: readonly Row[]): EndpointDecision {
  const alive = replicas.filter(({ state }) => state !== 'draining' && state !== 'ended');
  if (endpoint === undefined) return { create: 0, drain: alive, state: 'stopped' };
  const spec = endpoint.spec as EndpointSpecRecord;
  const current = alive.filter((row) => (row.spec as ReplicaSpecRecord).revision === spec.revision);
  const old = alive.filter((row) => (row.spec as ReplicaSpecRecord).revision !== spec.revision);
  const ready = current.filter(({ state }) => state === 'ready').length;
  // The old revision serves until the new one is whole; queued leftovers of it are of no use to anybody.
  const oldToDrain = ready >= spec.replicas ? old : old.filter(({ state }) => state === 'queued');
  const surplus = [...current]
    .sort((one, other) => Number(one.state === 'ready') - Number(other.state === 'ready'))
    .slice(0, Math.max(0, current.length - spec.replicas));
  const isServing = ready > 0 || old.some(({ state }) => state === 'ready');
  return {
    create: Math.max(0, spec.replicas - current.length),
    drain: [...oldToDrain, ...surplus],
    state:
      spec.replicas === 0
        ? 'stopped'
        : ready >= spec.replicas
          ? 'ready'
          : isServing && endpoint.state !== 'deploying'
            ? 'degraded'
            : 'deploying',
  };
}
