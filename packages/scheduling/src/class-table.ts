/** The request classes in use: equal requests that read the same data share one, with its heap and its tie order. */
import type { ClusterState } from './cluster-state.ts';
import { classKey, toClassRequest } from './class-request.ts';
import { kindsOf } from './node-kinds.ts';
import { RequestClass } from './request-class.ts';
import type { Scorer } from './scorers.ts';
import type { TaskGroup, Workload } from './snapshot.ts';
import { cachedNeeds, tieOrder } from './tie-order.ts';

/** To sort nodes into kinds costs as much as so many classes without. */
const FEW = 4;

export class ClassTable {
  readonly #state: ClusterState;
  readonly #scorer: Scorer;
  /** Ties in another order than the stated one (for experiments). */
  readonly #tieRank: Int32Array | null;
  readonly #classes = new Map<string, RequestClass>();
  #made = 0;
  #ties: { rank: Int32Array | null } | null = null;

  constructor(state: ClusterState, scorer: Scorer, tieRank: Int32Array | null) {
    this.#state = state;
    this.#scorer = scorer;
    this.#tieRank = tieRank;
  }

  of(group: TaskGroup, workload: Workload): RequestClass {
    const request = toClassRequest(group.request, workload);
    const data = cachedNeeds(this.#state, workload.data);
    const key = data.length === 0 ? classKey(request) : `${classKey(request)} ${JSON.stringify(data)}`;
    let found = this.#classes.get(key);
    if (found === undefined) {
      const ties = this.#tieRank ?? (data.length === 0 ? this.#sharedTies() : tieOrder(this.#state, data));
      const kinds = this.#made++ < FEW ? null : kindsOf(this.#state.nodes);
      found = new RequestClass(this.#state, request, this.#scorer, ties, kinds);
      this.#classes.set(key, found);
    }
    return found;
  }

  /** Once there are more than so many all are dropped; those still needed are made again. */
  forget(limit: number): void {
    if (this.#classes.size > limit) this.#classes.clear();
  }

  /** Load or what is cached has changed: ties are broken anew. */
  retie(): void {
    this.#ties = null;
    this.#classes.clear();
  }

  /** Of all that read nothing special. */
  #sharedTies(): Int32Array | null {
    this.#ties ??= { rank: tieOrder(this.#state, []) };
    return this.#ties.rank;
  }
}
