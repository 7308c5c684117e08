import type { JobSpec } from './job-spec.ts';

/** Processes of a job of one kind of ranks: `replicas`, else data × tensor × pipeline, else one; threads share one. */
export function rankProcesses({ replicas, parallel }: Pick<JobSpec, 'replicas' | 'parallel'>): number {
  if (replicas !== undefined) return replicas;
  if (parallel === undefined || parallel.ranksAs === 'threads') return 1;
  return parallel.data * parallel.tensor * parallel.pipeline;
}
