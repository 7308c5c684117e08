/** A rank that is a thread: the same rank as in a process of its own, told by messages when to stop. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadMeeting } from '../group/index.ts';
import { runTrainingRank } from './run-training-rank.ts';

export interface RankThreadOrders {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly meeting: ThreadMeeting;
}

export type RankThreadMessage = 'stop';
export interface RankThreadEnd {
  readonly code: number;
}

const { env, meeting } = workerData as RankThreadOrders;
const stop = new AbortController();
parentPort?.on('message', (message: RankThreadMessage) => stop.abort(new Error(message)));
const code = await runTrainingRank({ env, meeting, signal: stop.signal });
parentPort?.postMessage({ code } satisfies RankThreadEnd);
parentPort?.close();
