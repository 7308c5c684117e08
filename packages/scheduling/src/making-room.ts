/**
 * What can be done for a workload that free capacity does not hold: wait for those already leaving,
 * evict whom it may evict, or move small ones together. One answer a workload, tried on the very
 * state of the cycle; whoever is chosen counts as leaving from then on.
 */
import { findMoves } from './defragment.ts';
import { isElastic } from './elastic.ts';
import type { HeldNodes } from './held-nodes.ts';
import type { Claim, Eviction, Resize } from './plan.ts';
import type { Planning } from './planning.ts';
import type { Shape } from './shape.ts';
import type { Workload } from './snapshot.ts';
import type { Placed } from './statement.ts';
import { findVictims, type Rescue } from './victims.ts';

export interface RoomOptions {
  /** Evict lower priorities and queues above their share. Default true. */
  preemption?: boolean;
  /** How many running workloads may be moved in this cycle to join scattered room. Default 0. */
  moves?: number;
}

export class MakingRoom {
  readonly evictions: Eviction[] = [];
  readonly resizes: Resize[] = [];
  readonly claims: Claim[] = [];
  readonly #planning: Planning;
  readonly #options: RoomOptions;
  readonly #held: HeldNodes;
  readonly #departures: ReturnType<Planning['departures']>;
  #moves: number;
  /** The lowest priority that somebody would make room for, by queue. */
  #lowest: Map<string, number> | null = null;

  constructor(planning: Planning, options: RoomOptions, held: HeldNodes) {
    this.#planning = planning;
    this.#options = options;
    this.#held = held;
    this.#moves = options.moves ?? 0;
    this.#departures = planning.departures();
    for (const { id, stays } of this.#departures) this.#pledgeGoing(id, stays);
  }

  get movesLeft(): number {
    return this.#moves;
  }

  /** Ids of the workloads that leave for this one; null when nothing can be done for it. */
  for(
    workload: Workload,
    shape: Shape,
    victimless: Set<string>,
    isScattered: boolean,
    skip: Uint8Array | null,
  ): readonly string[] | null {
    const { tree } = this.#planning;
    const queue = tree.indexOf.get(workload.queueId)!;
    if (this.#departures.length > 0) {
      // First see whether those who leave already make enough room: never evict twice for one.
      const nodes = this.#roomOfLeavers(workload, shape, queue, skip);
      if (nodes !== null) {
        this.#held.hold(nodes, workload.id, null);
        tree.pledge(queue, shape.amounts, 1);
        return this.#departures.map(({ id }) => id);
      }
    }
    const rescue =
      (this.#options.preemption === false ? null : this.#victims(workload, victimless, skip)) ??
      (isScattered ? this.#moved(workload, skip) : null);
    if (rescue === null) return null;
    this.evictions.push(...rescue.evictions);
    this.resizes.push(...rescue.resizes);
    const going = [
      ...rescue.evictions.map(({ workloadId }) => ({ id: workloadId, stays: null })),
      ...rescue.resizes.map((resize) => ({
        id: resize.workloadId,
        stays: this.#planning.afterwards(resize),
      })),
    ];
    for (const { id, stays } of going) {
      // Leaving from now on, so that nobody counts on it again in this cycle.
      this.#planning.doom(id);
      this.#pledgeGoing(id, stays);
    }
    tree.pledge(queue, shape.amounts, 1);
    this.#held.hold(rescue.nodes, workload.id, null);
    const { nodes } = this.#planning.state;
    this.claims.push({ workloadId: workload.id, nodeIds: rescue.nodes.map((node) => nodes[node]!.id) });
    return going.map(({ id }) => id);
  }

  /** Over the limit, a workload can still displace lower priorities of its own queue. */
  mayPreemptWithin(workload: Workload): boolean {
    if (this.#options.preemption === false) return false;
    if (this.#lowest === null) {
      this.#lowest = new Map();
      for (const other of this.#planning.yielding.values()) {
        // Extras yield to equals, too.
        const yieldsTo = isElastic(other) ? other.priority : other.priority + 1;
        this.#lowest.set(other.queueId, Math.min(this.#lowest.get(other.queueId) ?? Infinity, yieldsTo));
      }
    }
    return (this.#lowest.get(workload.queueId) ?? Infinity) <= workload.priority;
  }

  /** What it gives back is no longer counted as used by its queue. */
  #pledgeGoing(id: string, stays: Placed | null): void {
    const { statement, tree } = this.#planning;
    const placed = statement.running.get(id);
    if (placed === undefined) return;
    tree.pledge(placed.queue, placed.amounts, -1);
    if (stays !== null) tree.pledge(stays.queue, stays.amounts, 1);
  }

  /** Where it would start once those already leaving are gone. */
  #roomOfLeavers(workload: Workload, shape: Shape, queue: number, skip: Uint8Array | null): number[] | null {
    const { placer, statement, tree } = this.#planning;
    const mark = statement.checkpoint();
    for (const { id, stays } of this.#departures) {
      if (stays === null) statement.evict(id);
      else statement.replace(stays);
    }
    const isLimited = tree.limitHit(queue, shape.amounts) !== null;
    const outcome = isLimited ? null : placer.place(workload, { skip });
    statement.rollback(mark);
    return outcome?.ok === true ? outcome.members.map((member) => member.node) : null;
  }

  /** Equal workloads of one queue and priority have the same victims: none once is none for all. */
  #victims(workload: Workload, victimless: Set<string>, skip: Uint8Array | null): Rescue | null {
    const key = `${workload.queueId} ${workload.priority} ${this.#held.epoch}`;
    if (victimless.has(key)) return null;
    const rescue = findVictims(this.#planning, workload, skip);
    if (rescue === null) victimless.add(key);
    return rescue;
  }

  #moved(workload: Workload, skip: Uint8Array | null): Rescue | null {
    if (this.#moves <= 0) return null;
    const rescue = findMoves(this.#planning, workload, skip, this.#moves);
    if (rescue !== null) this.#moves -= rescue.evictions.length;
    return rescue;
  }
}
