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

export function summarise(policy: string, jobs: readonly LiveJob[]): ReplayResult {
  const done = jobs.filter((live) => live.finishedAt !== null);
  const completion = done.map((live) => live.finishedAt! - live.job.arrivalSeconds);
  const queue = done.map((live, index) => completion[index]! - live.job.durationSeconds);
  const slowdown = done.map((live, index) =>
    Math.max(1, completion[index]! / Math.max(live.job.durationSeconds, BOUND_SECONDS)),
  );
  return {
    policy,
    averageJctSeconds: mean(completion),
    averageQueueSeconds: mean(queue),
    averageBoundedSlowdown: mean(slowdown),
    p99BoundedSlowdown: quantile(slowdown, 0.99),
    p99JctSeconds: quantile(completion, 0.99),
    makespanSeconds:
      done.reduce((latest, live) => Math.max(latest, live.finishedAt!), 0) -
      (jobs[0]?.job.arrivalSeconds ?? 0),
    maxWaitSeconds: queue.reduce((longest, wait) => Math.max(longest, wait), 0),
    preemptions: jobs.reduce((sum, live) => sum + live.preemptions, 0),
    unfinished: jobs.length - done.length,
  };
}
