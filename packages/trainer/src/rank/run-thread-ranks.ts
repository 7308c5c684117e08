/**
 * All ranks of a job as threads of this process: they sum gradients in memory that they share, and stand and fall
 * together, for a machine of many cores and a model of which each rank needs a part of 4 GiB at most.
 */
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createThreadMeeting, markGone, type ThreadMeeting } from '../group/index.ts';
import type { RankThreadEnd, RankThreadMessage, RankThreadOrders } from './rank-thread.ts';
import { exitCodes, type TrainingRankOptions } from './run-training-rank.ts';

interface ProcessOptions {
  readonly env: TrainingRankOptions['env'];
  readonly signal?: AbortSignal | undefined;
}

export async function runThreadRanks({ env, signal }: ProcessOptions, ranks: number): Promise<number> {
  const meeting = createThreadMeeting(ranks);
  const codes = await Promise.all(
    Array.from({ length: ranks }, (_, rank) => runThread({ env, signal }, meeting, rank)),
  );
  return worstOf(codes);
}

async function runThread(
  { env, signal }: ProcessOptions,
  meeting: ThreadMeeting,
  rank: number,
): Promise<number> {
  const path = join(import.meta.dirname, `rank-thread${extname(import.meta.filename)}`);
  const orders: RankThreadOrders = {
    env: { ...env, RANK: String(rank), WORLD_SIZE: String(meeting.size) },
    meeting,
  };
  const thread = new Worker(path, { workerData: orders });
  const stop = (): void => thread.postMessage('stop' satisfies RankThreadMessage);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();
  let code: number = exitCodes.infrastructure;
  return new Promise<number>((resolve) => {
    thread.on('message', (end: RankThreadEnd) => {
      code = end.code;
    });
    thread.on('error', (error) => {
      process.stderr.write(`Rank ${rank}: ${error instanceof Error ? error.stack : String(error)}\n`);
    });
    thread.once('exit', () => {
      markGone(meeting, rank);
      signal?.removeEventListener('abort', stop);
      resolve(code);
    });
  });
}

/** What decides: the user's fault, then a bug, then a rank that was lost, then a stop. */
const gravity: readonly number[] = [
  exitCodes.user,
  exitCodes.internal,
  exitCodes.infrastructure,
  exitCodes.stopped,
];

function worstOf(codes: readonly number[]): number {
  return gravity.find((code) => codes.includes(code)) ?? exitCodes.done;
}
