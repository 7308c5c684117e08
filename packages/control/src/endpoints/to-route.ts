/** What the gateway is told of an endpoint: revisions with their share of traffic and their ready replicas. Pure. */
import type { Hedging, PayloadPolicy, RequestLimits } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import type { EndpointSpecRecord, EndpointStatusRecord, ReplicaSpecRecord } from './endpoint-record.ts';
import type { RemoteTarget, SeenServer } from './remote-watch.ts';
import { desiredReplicas, revisionName } from './wanted-revisions.ts';

export type Origin =
  /** `healthPath`: where it says whether it is ready; our own engines say so at `/ready`. */
  | { readonly socketPath: string; readonly healthPath?: string }
  | { readonly port: number; readonly healthPath?: string };

/** A server of somebody else, with what it said of itself. */
export interface RemotePlace extends RemoteTarget {
  readonly facts?: object;
}

export interface EndpointRouteRevision {
  readonly revisionId: string;
  readonly modelVersion: string;
  /** The name the engine was started with. */
  readonly upstreamModel: string;
  /** Percent of the traffic. */
  readonly weight: number;
  readonly replicas: readonly {
    readonly replicaId: string;
    readonly origin: Origin | RemotePlace;
    readonly ready: boolean;
  }[];
}

/** What the gateway needs to know of a tenant's endpoint. */
export interface EndpointRoute {
  readonly tenantId: string;
  readonly endpointId: string;
  readonly endpointName: string;
  readonly createdAtSeconds: number;
  readonly revisions: readonly EndpointRouteRevision[];
  readonly limits?: RequestLimits;
  readonly cacheMs?: number;
  /** Names of the model's LoRA adapters. */
  readonly adapters?: readonly string[];
  /** Requests that every replica computes at once. */
  readonly slots: number;
  /** A request that finds no replica waits for one; false: it was stopped on purpose. */
  readonly holds: boolean;
  /** Another endpoint of the tenant that answers where this one cannot. */
  readonly fallback?: string;
  readonly hedging?: Hedging;
  readonly payloads?: PayloadPolicy;
  readonly latencyObjectiveMs?: number;
  /** Users stay on their arm even without naming themselves. */
  readonly isSticky: boolean;
  /** Requests with this header prefer this revision. */
  readonly preference?: { readonly name: string; readonly value: string; readonly revisionId: string };
  /** A copy of so many percent of the requests goes to this revision; nobody sees its answer. */
  readonly shadow?: { readonly revisionId: string; readonly percent: number };
}

/** A name that stands for servers of somebody else: all of them, since one that is out may come back. */
export function toRemoteRoute(endpoint: Row, servers: readonly SeenServer[]): EndpointRoute {
  const spec = endpoint.spec as EndpointSpecRecord;
  const said = servers.flatMap(({ sight }) => sight.slots ?? []);
  return {
    ...whatIsAllowed(endpoint, spec),
    revisions: [
      {
        revisionId: revisionName(endpoint.name, spec.revision),
        modelVersion: spec.model,
        upstreamModel: spec.remote?.modelName ?? spec.model,
        weight: 100,
        replicas: servers.map(({ target, sight }) => ({
          replicaId: `${endpoint.id} ${target.url}`,
          origin: { ...target, ...(sight.facts === undefined ? {} : { facts: sight.facts }) },
          ready: sight.state === 'ready',
        })),
      },
    ],
    slots: said.length === 0 ? spec.slots : Math.min(...said),
    holds: true,
    isSticky: false,
  };
}

/** `replicas`: those that are ready. */
export function toRoute(
  endpoint: Row,
  replicas: readonly Row[],
  originOf: (replicaId: string) => Origin | undefined,
): EndpointRoute {
  const spec = endpoint.spec as EndpointSpecRecord;
  const { rollout } = spec;
  const desired = desiredReplicas(spec, endpoint.status as EndpointStatusRecord);
  const counts = new Map<number, number>();
  for (const row of replicas) counts.set(revisionOf(row), (counts.get(revisionOf(row)) ?? 0) + 1);
  const shares = trafficShares(spec, counts, desired);
  return {
    ...whatIsAllowed(endpoint, spec),
    revisions: [...shares].map(([revision, weight]) => {
      const mine = replicas.filter((row) => revisionOf(row) === revision);
      const own = mine[0]?.spec as ReplicaSpecRecord | undefined;
      const model = own?.model ?? spec.model;
      return {
        revisionId: revisionName(endpoint.name, revision),
        modelVersion: model,
        upstreamModel: own?.server?.modelName ?? own?.engine?.modelName ?? model,
        weight,
        replicas: mine.flatMap((row) => {
          const origin = originOf(row.id);
          return origin === undefined ? [] : [{ replicaId: row.id, origin, ready: true }];
        }),
      };
    }),
    slots: spec.slots,
    holds: desired > 0 || spec.scaling !== undefined,
    isSticky: rollout?.mode === 'ab',
    ...(rollout?.header === undefined || rollout.mode === 'shadow'
      ? {}
      : { preference: { ...rollout.header, revisionId: revisionName(endpoint.name, rollout.revision) } }),
    ...(rollout?.mode === 'shadow' && (counts.get(rollout.revision) ?? 0) > 0
      ? {
          shadow: { revisionId: revisionName(endpoint.name, rollout.revision), percent: rollout.percent },
        }
      : {}),
  };
}

const whatIsAllowed = (endpoint: Row, spec: EndpointSpecRecord) => ({
  tenantId: endpoint.tenantId,
  endpointId: endpoint.id,
  endpointName: endpoint.name,
  createdAtSeconds: Math.floor(Date.parse(endpoint.createdAt) / 1_000),
  ...(spec.adapters === undefined ? {} : { adapters: spec.adapters.map(({ name }) => name) }),
  ...(spec.limits === undefined ? {} : { limits: spec.limits }),
  ...(spec.fallback === undefined ? {} : { fallback: spec.fallback }),
  ...(spec.hedging === undefined ? {} : { hedging: spec.hedging }),
  ...(spec.payloads === undefined ? {} : { payloads: spec.payloads }),
  ...(spec.latencyObjectiveMs === undefined ? {} : { latencyObjectiveMs: spec.latencyObjectiveMs }),
  ...(spec.cacheSeconds === undefined ? {} : { cacheMs: spec.cacheSeconds * 1_000 }),
});

/**
 * Percent by revision, in the order in which the arms lie side by side: the rollout's last, so that users move
 * only onto it when its share grows. While a stable revision warms up, the ones before it keep the part that it
 * could not carry yet.
 */
function trafficShares(
  spec: EndpointSpecRecord,
  counts: ReadonlyMap<number, number>,
  desired: number,
): ReadonlyMap<number, number> {
  const { rollout } = spec;
  const isAnswering = rollout !== undefined && rollout.mode !== 'shadow';
  const rolloutShare = isAnswering && (counts.get(rollout.revision) ?? 0) > 0 ? rollout.percent : 0;
  const rest = 100 - rolloutShare;
  const stableReady = counts.get(spec.revision) ?? 0;
  const old = [...counts.keys()]
    .filter((revision) => revision !== spec.revision && revision !== rollout?.revision)
    .sort((one, other) => other - one);
  const [newestOld] = old;
  const carried = desired === 0 ? 1 : Math.min(1, stableReady / desired);
  const stableShare = newestOld === undefined ? rest : rest * carried;
  const shares = new Map<number, number>();
  for (const revision of old) shares.set(revision, revision === newestOld ? rest - stableShare : 0);
  if (stableReady > 0) shares.set(spec.revision, stableShare);
  if (rollout !== undefined && (counts.get(rollout.revision) ?? 0) > 0)
    shares.set(rollout.revision, rolloutShare);
  return shares;
}

const revisionOf = (row: Row): number => (row.spec as ReplicaSpecRecord).revision;
