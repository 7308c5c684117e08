/** What an endpoint needs next, from what it asked for and what there is. Pure. */
import type { Row } from '@gantry/ports';
import type { EndpointSpecRecord, EndpointStatusRecord, ReplicaSpecRecord } from './endpoint-record.ts';
import { wantedRevisions, type WantedRevision } from './wanted-revisions.ts';

export interface EndpointDecision {
  readonly create: readonly WantedRevision[];
  readonly drain: readonly Row[];
  readonly state: 'deploying' | 'ready' | 'degraded' | 'idle' | 'stopped';
}

/** `endpoint` undefined: it was deleted, everything drains. `remote`: what was seen of servers that are not ours. */
export function decideEndpoint(
  endpoint: Row | undefined,
  replicas: readonly Row[],
  remote: readonly { readonly sight: { readonly state: string } }[] = [],
): EndpointDecision {
  const alive = replicas.filter(({ state }) => state !== 'draining' && state !== 'ended');
  if (endpoint === undefined) return { create: [], drain: alive, state: 'stopped' };
  const spec = endpoint.spec as EndpointSpecRecord;
  if (spec.remote !== undefined) {
    const ready = remote.filter(({ sight }) => sight.state === 'ready').length;
    const state =
      ready === spec.remote.urls.length
        ? 'ready'
        : ready > 0 || endpoint.state !== 'deploying'
          ? 'degraded'
          : 'deploying';
    return { create: [], drain: alive, state };
  }
  const wanted = wantedRevisions(spec, endpoint.status as EndpointStatusRecord);
  const create: WantedRevision[] = [];
  const drain: Row[] = [];
  for (const revision of wanted) {
    const mine = ofRevision(alive, revision.revision);
    for (let missing = revision.replicas - mine.length; missing > 0; missing--) create.push(revision);
    drain.push(...surplusOf(mine, revision.replicas));
  }
  const stableReplicas = wanted[0]?.replicas ?? 0;
  const ready = ofRevision(alive, spec.revision).filter(({ state }) => state === 'ready').length;
  const old = alive.filter((row) => wanted.every(({ revision }) => revisionOf(row) !== revision));
  // The old revision serves until the new one is whole; queued leftovers of it are of no use to anybody.
  drain.push(...(ready >= stableReplicas ? old : old.filter(({ state }) => state === 'queued')));
  const isServing = ready > 0 || old.some(({ state }) => state === 'ready');
  return {
    create,
    drain,
    state:
      stableReplicas === 0
        ? spec.scaling === undefined
          ? 'stopped'
          : 'idle'
        : ready >= stableReplicas
          ? 'ready'
          : isServing && endpoint.state !== 'deploying'
            ? 'degraded'
            : 'deploying',
  };
}

const revisionOf = (row: Row): number => (row.spec as ReplicaSpecRecord).revision;

const ofRevision = (rows: readonly Row[], revision: number): readonly Row[] =>
  rows.filter((row) => revisionOf(row) === revision);

/** Those that serve nobody yet go first. */
function surplusOf(rows: readonly Row[], wanted: number): readonly Row[] {
  return [...rows]
    .sort((one, other) => Number(one.state === 'ready') - Number(other.state === 'ready'))
    .slice(0, Math.max(0, rows.length - wanted));
}
