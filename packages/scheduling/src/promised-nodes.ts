/**
 * Queues with a shape: the devices they deserve must be had together, so many on each of so many
 * nodes. Work of others that cannot be made to leave stays off that many nodes, whichever are best
 * kept at the moment; work that can be evicted may use them until the queue asks.
 */
import type { Planning } from './planning.ts';
import type { Reason } from './reason.ts';
import type { QueueShape, Workload } from './snapshot.ts';

interface Promised {
  readonly queue: number;
  readonly shape: QueueShape;
  readonly nodes: readonly number[];
}

export class PromisedNodes {
  readonly #planning: Planning;
  readonly #promised: readonly Promised[];
  /** By the queue that is kept off. */
  readonly #masks = new Map<number, Uint8Array | null>();

  constructor(planning: Planning) {
    this.#planning = planning;
    const taken = new Set<number>();
    this.#promised = planning.tree.queues.flatMap(({ shape }, queue): Promised[] => {
      if (shape === undefined) return [];
      const nodes = nodesFor(planning, queue, shape, taken);
      for (const node of nodes) taken.add(node);
      return [{ queue, shape, nodes }];
    });
  }

  /** Nodes that this work may not take; null when it may take all. */
  forbiddenTo(workload: Workload): Uint8Array | null {
    if (this.#promised.length === 0 || workload.preemptible) return null;
    const queue = this.#planning.tree.indexOf.get(workload.queueId)!;
    let mask = this.#masks.get(queue);
    if (mask === undefined) {
      mask = this.#maskFor(queue);
      this.#masks.set(queue, mask);
    }
    return mask;
  }

  /** Said to who would fit without the promise. */
  reasonFor({ queueId }: Workload): Reason {
    const { tree } = this.#planning;
    const path = tree.path[tree.indexOf.get(queueId)!]!;
    const { queue, shape } = this.#promised.find((each) => !path.includes(each.queue))!;
    const { nodes, devices } = shape;
    return { code: 'promised_whole', tier: 'quota', queueId: tree.queues[queue]!.id, nodes, devices };
  }

  #maskFor(queue: number): Uint8Array | null {
    const { state, tree } = this.#planning;
    const nodes = this.#promised
      .filter((each) => !tree.path[queue]!.includes(each.queue))
      .flatMap((each) => each.nodes);
    if (nodes.length === 0) return null;
    const mask = new Uint8Array(state.nodes.length);
    for (const node of nodes) mask[node] = 1;
    return mask;
  }
}

/**
 * The nodes that can still be had whole, at most as many as are promised. First those where the queue
 * is already, then those with most work that can leave (nobody else could stay there anyway).
 */
function nodesFor(
  { state, statement, tree, workloads }: Planning,
  queue: number,
  shape: QueueShape,
  taken: ReadonlySet<number>,
): readonly number[] {
  const own = new Int32Array(state.nodes.length);
  const leaving = new Int32Array(state.nodes.length);
  const firm = state.nodes.map(() => new Set<number>());
  for (const placed of statement.running.values()) {
    const isOwn = tree.path[placed.queue]!.includes(queue);
    const stays = workloads.get(placed.workloadId)?.preemptible === false;
    for (const { node, devices } of placed.members) {
      if (isOwn) own[node]! += devices.length;
      else if (!stays) leaving[node]! += devices.length;
      else for (const device of devices) firm[node]!.add(device);
    }
  }
  const canBeHad = (node: number): boolean => {
    if (taken.has(node) || state.schedulable[node] === 0) return false;
    let devices = 0;
    for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++)
      if (state.deviceOk[device] === 1 && !firm[node]!.has(device)) devices++;
    return devices >= shape.devices;
  };
  return state.nodes
    .map((_node, index) => index)
    .filter(canBeHad)
    .sort(
      (a, b) =>
        own[b]! - own[a]! ||
        leaving[b]! - leaving[a]! ||
        (state.nodes[a]!.name < state.nodes[b]!.name ? -1 : 1),
    )
    .slice(0, shape.nodes);
}
