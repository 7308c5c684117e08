/** Wishes of a job about where and when that contradict its queue or the clock: found before it is accepted. */
import type { ErrorProblem, JobSpec } from '@gantry/contract';

export function placementProblems(
  spec: Pick<JobSpec, 'nodeSelector' | 'deadline' | 'queue'>,
  poolLabels: Readonly<Record<string, string>> | undefined,
  nowMs: number,
): readonly ErrorProblem[] {
  const problems: ErrorProblem[] = [];
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) {
    const pool = poolLabels?.[key];
    if (pool !== undefined && pool !== value)
      problems.push({
        path: `nodeSelector.${key}`,
        message: `queue "${spec.queue}" runs where ${key}=${pool}`,
        hint: 'leave it out, or name another queue',
      });
  }
  if (spec.deadline !== undefined && Date.parse(spec.deadline) <= nowMs)
    problems.push({ path: 'deadline', message: 'is in the past', hint: 'name a time to come' });
  return problems;
}
