/** Routes of every tenant in memory, and who waits for a replica to become ready. */
import type { Route, RouteRevision } from './route.ts';
import { ReplicaState } from './replica-state.ts';
import type { Upstreams } from './upstreams.ts';

export interface LiveRevision {
  readonly revision: RouteRevision;
  readonly weight: number;
  readonly replicas: readonly ReplicaState[];
}

export interface LiveRoute {
  readonly tenantId: string;
  readonly route: Route;
  readonly revisions: readonly LiveRevision[];
}

export class RouteTable {
  readonly #tenants = new Map<string, ReadonlyMap<string, LiveRoute>>();
  readonly #replicas = new Map<string, ReplicaState>();
  readonly #waiting = new Set<() => void>();
  readonly #upstreams: Upstreams;

  readonly #now: () => number;

  constructor(upstreams: Upstreams, now: () => number) {
    this.#upstreams = upstreams;
    this.#now = now;
  }

  /** Replaces all routes of one tenant at once: no request sees half a change. Answers those whose endpoint is gone. */
  set(tenantId: string, routes: readonly Route[]): readonly Route[] {
    const kept = new Set(routes.map(({ endpointId }) => endpointId));
    const gone = this.list(tenantId).filter(({ endpointId }) => !kept.has(endpointId));
    if (routes.length === 0) this.#tenants.delete(tenantId);
    else
      this.#tenants.set(
        tenantId,
        new Map(routes.map((route) => [route.endpointName, this.#enliven(tenantId, route)])),
      );
    this.#forgetUnrouted();
    // Copied first: who wakes may wait again at once.
    const woken = [...this.#waiting];
    for (const wake of woken) wake();
    return gone;
  }

  lookup(tenantId: string, modelName: string): LiveRoute | undefined {
    return this.#tenants.get(tenantId)?.get(modelName);
  }

  list(tenantId: string): readonly Route[] {
    return [...(this.#tenants.get(tenantId)?.values() ?? [])].map((live) => live.route);
  }

  replicas(): Iterable<ReplicaState> {
    return this.#replicas.values();
  }

  /** Calls `wake` at every change of routes until the returned function is called. */
  onChange(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  #enliven(tenantId: string, route: Route): LiveRoute {
    return {
      tenantId,
      route,
      revisions: route.revisions.map((revision) => ({
        revision,
        weight: revision.weight,
        replicas: revision.replicas.map((replica) => {
          const pool = this.#upstreams.poolFor(replica.origin);
          const known = this.#replicas.get(replica.replicaId);
          if (known === undefined) {
            const { revisionId, modelVersion } = revision;
            const labels = { tenantId, endpointName: route.endpointName, revisionId, modelVersion };
            const state = new ReplicaState(replica, pool, labels, this.#now());
            this.#replicas.set(replica.replicaId, state);
            return state;
          }
          // Freshly ready (restarted): the old failures are no longer its own.
          if (replica.ready && !known.replica.ready) known.noteSuccess();
          known.replica = replica;
          known.pool = pool;
          return known;
        }),
      })),
    };
  }

  #forgetUnrouted(): void {
    const routed = new Set<string>();
    const origins = [];
    for (const routes of this.#tenants.values()) {
      for (const live of routes.values()) {
        for (const { replicas } of live.revisions) {
          for (const state of replicas) {
            routed.add(state.replicaId);
            origins.push(state.replica.origin);
          }
        }
      }
    }
    for (const replicaId of this.#replicas.keys())
      if (!routed.has(replicaId)) this.#replicas.delete(replicaId);
    this.#upstreams.keepOnly(origins);
  }
}
