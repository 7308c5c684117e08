/** A live replay in the numbers that every replay is told in, and what each queue waited. */
import { type ReplayResult, summariseEnded } from '../replay-result.ts';
import { mean } from '../statistics.ts';
import type { LiveReplay } from './replay-live.ts';

export interface LiveResult extends ReplayResult {
  /** Time beyond each job's own, by the id of its queue; of those that ended. */
  readonly queues: readonly { queueId: string; jobs: number; averageQueueSeconds: number }[];
}

export function summariseLive(policy: string, { jobs }: LiveReplay): LiveResult {
  const ended = jobs.flatMap(({ finishedAtMs, past: { workload, workMs } }) =>
    finishedAtMs === null
      ? []
      : [
          {
            queueId: workload.queueId,
            arrivalSeconds: workload.createdAtMs / 1000,
            finishedSeconds: finishedAtMs / 1000,
            aloneSeconds: workMs / 1000,
          },
        ],
  );
  const waits = new Map<string, number[]>();
  for (const { queueId, arrivalSeconds, finishedSeconds, aloneSeconds } of ended) {
    const wait = Math.max(0, finishedSeconds - arrivalSeconds - aloneSeconds);
    const others = waits.get(queueId);
    if (others === undefined) waits.set(queueId, [wait]);
    else others.push(wait);
  }
  return {
    ...summariseEnded(ended, {
      policy,
      firstArrivalSeconds:
        jobs.reduce((first, { past }) => Math.min(first, past.workload.createdAtMs), Infinity) / 1000,
      preemptions: jobs.reduce((sum, { preemptions }) => sum + preemptions, 0),
      unfinished: jobs.length - ended.length,
    }),
    queues: [...waits].map(([queueId, each]) => ({
      queueId,
      jobs: each.length,
      averageQueueSeconds: mean(each),
    })),
  };
}
