/**
 * A thread that sums gradients over the data-parallel ranks while its rank computes: the main thread is deaf to its
 * sockets for the length of a graph run. It has links of its own to the threads of the others, and sees the memory
 * that the gradients lie in.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { joinWorld } from '../../group/index.ts';
import { RankLostError } from '../../group/rank-lost-error.ts';
import type { ArenaRegion } from '../../memory/index.ts';

export interface SumOrders {
  readonly rank: number;
  readonly worldSize: number;
  /** Of the data-parallel group. */
  readonly members: readonly number[];
  /** For sockets. */
  readonly directory: string;
  readonly region: ArenaRegion;
  readonly timeoutMs: number;
}

/** Floats to be summed; `at` in bytes of the memory. */
export interface SumBucket {
  readonly at: number;
  readonly length: number;
}

export type SumNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'summed'; readonly ms: number }
  | { readonly kind: 'failed'; readonly rank?: number; readonly message: string; readonly exitCode: number };

const { rank, worldSize, members, directory, region, timeoutMs } = workerData as SumOrders;
const tell = (news: SumNews): void => parentPort?.postMessage(news);

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RankLostError)
    tell({ kind: 'failed', rank: error.rank, message, exitCode: error.exitCode });
  else tell({ kind: 'failed', message, exitCode: 70 });
}

try {
  const world = await joinWorld({
    rank,
    worldSize,
    timeoutMs,
    transport: { kind: 'unix', directory },
    region,
  });
  const data = world.subgroup(members, 1);
  let last: Promise<void> = Promise.resolve();
  parentPort?.on('message', (bucket: SumBucket | 'end') => {
    last = last.then(async () => {
      if (bucket === 'end') {
        await world[Symbol.asyncDispose]();
        parentPort?.close();
        return;
      }
      const startMs = performance.now();
      await data.allReduceSum(world.arena.floatsAt(bucket.at, bucket.length));
      tell({ kind: 'summed', ms: performance.now() - startMs });
    });
    last.catch(fail);
  });
  tell({ kind: 'ready' });
} catch (error) {
  fail(error);
}
