/** How much of prompts is read beside running streams, where nobody says. */
import type { StepSchedulerOptions } from '@gantry/serving/steps';

const leastTokens = 64;
/** What a stream may wait for its next token because prompts of others are read. */
const stallMs = 200;

/** Pieces of a fixed size where one is given; else as large as the machine's pace allows, up to half a pass. */
export function piecesOf(
  prefillTokens: number | undefined,
  stepTokens: number,
): Pick<StepSchedulerOptions, 'prefillTokens' | 'pace'> {
  if (prefillTokens !== undefined) return { prefillTokens: Math.min(prefillTokens, stepTokens) };
  const mostTokens = Math.max(leastTokens, Math.floor(stepTokens / 2));
  return { prefillTokens: Math.min(leastTokens, stepTokens), pace: { mostTokens, stallMs } };
}
