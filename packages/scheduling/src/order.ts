/**
 * Who goes first. Inside a queue its policy decides (default: priority, then age); among queues
 * the head with the highest priority, then the least saturated queue, then the oldest workload.
 */
import type { QueueTree } from './queue-tree.ts';
import { SnapshotError, type Workload } from './snapshot.ts';

export type Comparator = (a: Workload, b: Workload) => number;

const byAge: Comparator = (a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
const byPriority: Comparator = (a, b) => b.priority - a.priority;
const byRuntime: Comparator = (a, b) => {
  const runtimeA = a.runtimeEstimateMs ?? a.timeLimitMs ?? Infinity;
  const runtimeB = b.runtimeEstimateMs ?? b.timeLimitMs ?? Infinity;
  return runtimeA === runtimeB ? 0 : runtimeA - runtimeB;
};

export const QUEUE_POLICIES = {
  default: (a, b) => byPriority(a, b) || byAge(a, b),
  priority: (a, b) => byPriority(a, b) || byAge(a, b),
  'fair-share': (a, b) => byPriority(a, b) || byAge(a, b),
  fifo: byAge,
  'fifo-backfill': byAge,
  sjf: (a, b) => byRuntime(a, b) || byAge(a, b),
} as const satisfies Record<string, Comparator>;

export function policyOf(name: string | undefined): Comparator {
  if (name === undefined) return QUEUE_POLICIES.default;
  if (Object.hasOwn(QUEUE_POLICIES, name)) return QUEUE_POLICIES[name as keyof typeof QUEUE_POLICIES];
  throw new SnapshotError(
    'queue_policy_unknown',
    `There is no queue policy "${name}".`,
    `Use one of: ${Object.keys(QUEUE_POLICIES).join(', ')}.`,
  );
}

interface Lane {
  queue: number;
  workloads: Workload[];
  next: number;
}

/** Hands out pending workloads one at a time, in the order that the usage of the moment asks for. */
export class PendingOrder {
  readonly #tree: QueueTree;
  readonly #lanes: Lane[];

  constructor(tree: QueueTree, pending: readonly Workload[]) {
    this.#tree = tree;
    const byQueue = new Map<number, Workload[]>();
    for (const workload of pending) {
      const queue = tree.indexOf.get(workload.queueId);
      if (queue === undefined) continue;
      const lane = byQueue.get(queue);
      if (lane === undefined) byQueue.set(queue, [workload]);
      else lane.push(workload);
    }
    // In a fixed order: which lane is met first must not depend on how the snapshot was written.
    this.#lanes = [...byQueue]
      .sort(([a], [b]) => (tree.queues[a]!.id < tree.queues[b]!.id ? -1 : 1))
      .map(([queue, workloads]) => ({
        queue,
        workloads: workloads.sort(policyOf(tree.queues[queue]!.policy)),
        next: 0,
      }));
  }

  take(): Workload | null {
    let best: Lane | null = null;
    for (const lane of this.#lanes) {
      if (lane.next >= lane.workloads.length) continue;
      if (best === null || this.#compare(lane, best) < 0) best = lane;
    }
    return best === null ? null : best.workloads[best.next++]!;
  }

  #compare(a: Lane, b: Lane): number {
    const headA = a.workloads[a.next]!;
    const headB = b.workloads[b.next]!;
    return byPriority(headA, headB) || this.#tree.compare(a.queue, b.queue) || byAge(headA, headB);
  }
}
