/**
 * A thread that runs a rank's collectives while the rank computes: the main thread is deaf to its sockets for the
 * length of a graph run. It has links of its own to the threads of the others, and sees the memory that the values
 * lie in. Orders are followed one after the other.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ArenaRegion } from '../memory/index.ts';
import { joinWorld, type ProcessGroup } from './process-group.ts';
import { RankLostError } from './rank-lost-error.ts';
import type { Part } from './wire.ts';

export interface BackgroundOrders {
  readonly rank: number;
  readonly worldSize: number;
  readonly members: readonly number[];
  /** For sockets. */
  readonly directory: string;
  /** For what arrives. */
  readonly region: ArenaRegion;
  readonly timeoutMs: number;
}

/** Floats from byte `at` of the memory on. */
export interface BackgroundCall {
  readonly kind: keyof typeof calls;
  readonly at: number;
  readonly length: number;
  readonly parts: readonly Part[];
}

/** One `done` for each call, in their order, after one for having joined. */
export type BackgroundNews =
  | { readonly kind: 'done'; readonly sentElements: number }
  | { readonly kind: 'failed'; readonly rank?: number; readonly message: string; readonly exitCode: number };

const calls = {
  'all-reduce': (group, values) => group.allReduceSum(values),
  'reduce-scatter': (group, values, parts) => group.reduceScatterSum(values, parts),
  'all-gather': (group, values, parts) => group.allGather(values, parts),
} as const satisfies Record<
  string,
  (group: ProcessGroup, values: Float32Array, parts: readonly Part[]) => Promise<void>
>;

const { rank, worldSize, members, directory, region, timeoutMs } = workerData as BackgroundOrders;
const tell = (news: BackgroundNews): void => parentPort?.postMessage(news);

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RankLostError)
    tell({ kind: 'failed', rank: error.rank, message, exitCode: error.exitCode });
  else tell({ kind: 'failed', message, exitCode: 70 });
}

try {
  const transport = { kind: 'unix', directory } as const;
  const world = await joinWorld({ rank, worldSize, timeoutMs, transport, region });
  const group = world.subgroup(members, 1);
  let last: Promise<void> = Promise.resolve();
  parentPort?.on('message', (order: BackgroundCall | 'end') => {
    last = last.then(async () => {
      if (order === 'end') {
        await world[Symbol.asyncDispose]();
        parentPort?.close();
        return;
      }
      const { kind, at, length, parts } = order;
      await calls[kind](group, world.arena.floatsAt(at, length), parts);
      tell({ kind: 'done', sentElements: group.sentElements });
    });
    last.catch(fail);
  });
  tell({ kind: 'done', sentElements: 0 });
} catch (error) {
  fail(error);
}
