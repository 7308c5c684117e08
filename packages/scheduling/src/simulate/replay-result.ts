import type { LiveJob } from './live-job.ts';
import { mean, quantile } from './statistics.ts';

export interface ReplayResult {
  policy: string;
  averageJctSeconds: number;
  /** Time in the system beyond the job's own duration: waiting and restarts. */
  averageQueueSeconds: number;
  averageBoundedSlowdown: number;
  p99BoundedSlowdown: number;
  p99JctSeconds: number;
  makespanSeconds: number;
  maxWaitSeconds: number;
  preemptions: number;
  unfinished: number;
}

/** Below this a job counts as this long, so that a few seconds of wait do not look like a hundredfold. */
const BOUND_SECONDS = 600;

/** One job that ended; `aloneSeconds` is what it would have taken with nobody beside it. */
export interface EndedJob {
  arrivalSeconds: number;
  finishedSeconds: number;
  aloneSeconds: number;
}

/** `ended` are the jobs that did; `firstArrivalSeconds` is of all. */
export function summariseEnded(
  ended: readonly EndedJob[],
  rest: Pick<ReplayResult, 'policy' | 'preemptions' | 'unfinished'> & { firstArrivalSeconds: number },
): ReplayResult {
  const { policy, preemptions, unfinished, firstArrivalSeconds } = rest;
  const completion = ended.map((job) => job.finishedSeconds - job.arrivalSeconds);
  const queue = ended.map((job, index) => Math.max(0, completion[index]! - job.aloneSeconds));
  const slowdown = ended.map((job, index) =>
    Math.max(1, completion[index]! / Math.max(job.aloneSeconds, BOUND_SECONDS)),
  );
  return {
    policy,
    averageJctSeconds: mean(completion),
    averageQueueSeconds: mean(queue),
    averageBoundedSlowdown: mean(slowdown),
    p99BoundedSlowdown: quantile(slowdown, 0.99),
    p99JctSeconds: quantile(completion, 0.99),
    makespanSeconds:
      ended.reduce((latest, job) => Math.max(latest, job.finishedSeconds), 0) - firstArrivalSeconds,
    maxWaitSeconds: queue.reduce((longest, wait) => Math.max(longest, wait), 0),
    preemptions,
    unfinished,
  };
}

export function summarise(policy: string, jobs: readonly LiveJob[]): ReplayResult {
  const done = jobs.filter((live) => live.finishedAt !== null);
  return summariseEnded(
    done.map(({ job, finishedAt }) => ({
      arrivalSeconds: job.arrivalSeconds,
      finishedSeconds: finishedAt!,
      aloneSeconds: job.durationSeconds,
    })),
    {
      policy,
      firstArrivalSeconds: jobs[0]?.job.arrivalSeconds ?? 0,
      preemptions: jobs.reduce((sum, live) => sum + live.preemptions, 0),
      unfinished: jobs.length - done.length,
    },
  );
}
