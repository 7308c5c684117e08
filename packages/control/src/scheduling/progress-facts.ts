/** What a running job's own reports say to the planner: when it will end, and how old its checkpoint is. */
import type { Progress } from '../jobs/live-progress.ts';

export interface ProgressFacts {
  readonly endMs: number;
  /** Work since then is lost with an eviction; missing = nothing was saved yet. */
  readonly savedAtMs?: number;
}

/** null while it has not said how long it still needs. */
export function progressFacts(progress: Progress | undefined): ProgressFacts | null {
  if (progress?.at === undefined || progress.etaSeconds === undefined) return null;
  const { step, totalSteps, checkpointStep, etaSeconds } = progress;
  const atMs = Date.parse(progress.at);
  const endMs = atMs + 1000 * etaSeconds;
  if (step === undefined || totalSteps === undefined || checkpointStep === undefined) return { endMs };
  // At the pace of what is left; at the end any pace will do.
  const msPerStep = totalSteps > step ? (1000 * etaSeconds) / (totalSteps - step) : 0;
  return { endMs, savedAtMs: atMs - Math.max(0, step - checkpointStep) * msPerStep };
}
