import type { PayloadPolicy } from '../payloads/payload-tap.ts';
import type { RemoteOrigin } from '../remote/remote-origin.ts';

/** Where a replica listens: a Unix socket of this machine, a host and port, or a server of somebody else. */
export type Origin =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number }
  | RemoteOrigin;

export interface RouteReplica {
  readonly replicaId: string;
  readonly origin: Origin;
  /** False while loading or draining: it finishes what it has and gets nothing new. */
  readonly ready: boolean;
}

export interface RouteRevision {
  readonly revisionId: string;
  readonly modelVersion: string;
  /** Relative share of traffic; 0 takes none (draining, or waiting for its turn). */
  readonly weight: number;
  readonly replicas: readonly RouteReplica[];
  /** The name the engine knows the model by, where that is not the endpoint's. */
  readonly upstreamModel?: string;
}

/** What one endpoint name means for one tenant, as the control plane last said it. */
export interface Route {
  readonly endpointId: string;
  readonly endpointName: string;
  readonly revisions: readonly RouteRevision[];
  readonly limits?: RouteLimits;
  /** How long equal deterministic requests may be answered from memory; absent: never. */
  readonly cacheMs?: number;
  /** Requests that one replica computes at once; for shedding and sessions. */
  readonly slots?: number;
  /** False: it was stopped on purpose, so a request is refused at once instead of held for a replica. */
  readonly holds?: boolean;
  /** A second replica is asked when the first has said nothing for so long; without a time, as long as 95 % took. */
  readonly hedging?: { readonly afterMs?: number | undefined };
  readonly payloads?: PayloadPolicy;
  /** What an answer should take at most, for statistics. */
  readonly latencyObjectiveMs?: number;
  /** Adapters of the model: `chat:legal` asks for the one called `legal`. */
  readonly adapters?: readonly string[];
  /** Another endpoint of the tenant that answers where this one cannot. */
  readonly fallback?: string;
  /** A caller keeps its arm of a split even without naming a user. */
  readonly isSticky?: boolean;
  /** Requests with this header go to this revision while it can answer. */
  readonly preference?: { readonly name: string; readonly value: string; readonly revisionId: string };
  /** A copy of so many percent of the requests goes to this revision. */
  readonly shadow?: { readonly revisionId: string; readonly percent: number };
  /** Epoch seconds for `/v1/models`; 0 when unknown. */
  readonly createdAtSeconds?: number;
}

export interface RouteLimits {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  readonly concurrentRequests?: number | undefined;
}

export interface Principal {
  readonly tenantId: string;
  readonly principalId: string;
  readonly keyId?: string;
}
