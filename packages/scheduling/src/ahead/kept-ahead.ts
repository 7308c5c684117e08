/** Capacity that other queues are expected to need before the work that asks would be done. */
import { type QueueTree, RESOURCES } from '../queue-tree.ts';
import type { Reason } from '../reason.ts';
import type { ExpectedPeak, QueueNode } from '../snapshot.ts';

export interface KeptAsk {
  queue: number;
  devices: number;
  nowMs: number;
  /** When it will be done. */
  endMs: number;
}

type Kept = Extract<Reason, { code: 'kept_ahead' }>;

export class KeptAhead {
  readonly #tree: QueueTree;
  readonly #devices: number;
  #peaks: readonly { queue: number; peaks: readonly ExpectedPeak[] }[] = [];

  constructor(tree: QueueTree, devices: number) {
    this.#tree = tree;
    this.#devices = devices;
    this.set(tree.queues);
  }

  /** In the order of the tree, whatever they expect now. */
  set(queues: readonly QueueNode[]): void {
    this.#peaks = queues.flatMap(({ expected: peaks }, queue) =>
      peaks === undefined ? [] : [{ queue, peaks }],
    );
  }

  /** null when it may start: nothing is expected while it runs, or there is enough for both. */
  refuses({ queue, devices, nowMs, endMs }: KeptAsk): Reason | null {
    if (devices === 0 || this.#peaks.length === 0) return null;
    const { path, queues, usage } = this.#tree;
    let free = this.#devices - devices;
    for (const [at, { parentId }] of queues.entries()) if (parentId === null) free -= usage[at * RESOURCES]!;
    let most: Kept | null = null;
    for (const { queue: other, peaks } of this.#peaks) {
      if (path[queue]!.includes(other)) continue;
      const used = usage[other * RESOURCES]!;
      let worst: Kept | null = null;
      for (const { devices: expected, fromMs, untilMs } of peaks) {
        const missing = expected - used;
        if (fromMs >= endMs || untilMs <= nowMs || missing <= (worst?.devices ?? 0)) continue;
        const queueId = queues[other]!.id;
        worst = { code: 'kept_ahead', tier: 'quota', queueId, devices: missing, fromMs, untilMs };
      }
      free -= worst?.devices ?? 0;
      if (worst !== null && worst.devices > (most?.devices ?? 0)) most = worst;
    }
    return free < -1e-9 ? most : null;
  }
}
