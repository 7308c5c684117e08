/**
 * Who goes first. Inside a queue its policy decides (default: priority, then age); among queues
 * the head with the highest priority, then the least saturated queue, then the oldest workload.
 */
import { type Comparator, policyOf } from './policies.ts';
import type { QueueTree } from './queue-tree.ts';
import type { Asked } from './shape.ts';
import type { Workload } from './snapshot.ts';

interface Lane {
  readonly queue: number;
  readonly queueId: string;
  entries: Asked[];
  isDirty: boolean;
}

/** Pending workloads by queue, kept from cycle to cycle: nearly sorted, so putting them in order is cheap. */
export class Lanes {
  readonly #lanes = new Map<number, Lane>();

  add(queue: number, queueId: string, asked: Asked): void {
    const lane = this.#lanes.get(queue);
    if (lane === undefined) this.#lanes.set(queue, { queue, queueId, entries: [asked], isDirty: false });
    else lane.entries.push(asked);
  }

  /** The entry was marked as gone. */
  drop(queue: number): void {
    const lane = this.#lanes.get(queue);
    if (lane !== undefined) lane.isDirty = true;
  }

  *shapes(): Iterable<Asked['shape']> {
    for (const lane of this.#lanes.values()) for (const { shape } of lane.entries) yield shape;
  }

  /** In a fixed order: which lane is met first must not depend on how the snapshot was written. */
  inOrder(tree: QueueTree, nowMs: number): Lane[] {
    const lanes: Lane[] = [];
    for (const lane of this.#lanes.values()) {
      if (lane.isDirty) lane.entries = lane.entries.filter((asked) => !asked.gone);
      lane.isDirty = false;
      if (lane.entries.length === 0) this.#lanes.delete(lane.queue);
      else lanes.push(lane);
    }
    lanes.sort((a, b) => (a.queueId < b.queueId ? -1 : 1));
    for (const lane of lanes) {
      const compare: Comparator = policyOf(tree.queues[lane.queue]!.policy).order(nowMs);
      lane.entries.sort((a, b) => compare(a.workload, b.workload));
    }
    return lanes;
  }
}

/** Hands out pending workloads one at a time, in the order that the usage of the moment asks for. */
export class PendingOrder {
  readonly #tree: QueueTree;
  readonly #lanes: { lane: Lane; next: number }[];

  constructor(tree: QueueTree, lanes: Lanes, nowMs: number) {
    this.#tree = tree;
    this.#lanes = lanes.inOrder(tree, nowMs).map((lane) => ({ lane, next: 0 }));
  }

  take(): Asked | null {
    let best: { lane: Lane; next: number } | null = null;
    for (const cursor of this.#lanes) {
      if (cursor.next >= cursor.lane.entries.length) continue;
      if (best === null || this.#compare(cursor, best) < 0) best = cursor;
    }
    return best === null ? null : best.lane.entries[best.next++]!;
  }

  #compare(a: { lane: Lane; next: number }, b: { lane: Lane; next: number }): number {
    const { workload: headA, shape: shapeA } = a.lane.entries[a.next]!;
    const { workload: headB, shape: shapeB } = b.lane.entries[b.next]!;
    // What is within its share goes before what borrows: else what was just reclaimed would be borrowed again.
    const borrows = (lane: Lane, { amounts }: Asked['shape']): number =>
      this.#tree.staysFair(lane.queue, amounts) ? 0 : 1;
    return (
      borrows(a.lane, shapeA) - borrows(b.lane, shapeB) ||
      headB.priority - headA.priority ||
      this.#tree.compare(a.lane.queue, b.lane.queue) ||
      byAge(headA, headB)
    );
  }
}

function byAge(a: Workload, b: Workload): number {
  return a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
