import type { SseFrames } from '../relay/sse-frames.ts';
import { noUsage, type Usage } from './usage.ts';

/** As the engine counted; where it was cut off before it said so, one token a frame. */
export function finalUsage(
  counted: Usage | undefined,
  frames: SseFrames | undefined,
  promptTokens: number,
): { readonly usage: Usage; readonly isEstimated: boolean } {
  const known = counted ?? frames?.usage;
  if (known !== undefined) return { usage: known, isEstimated: false };
  const completionTokens = frames?.tokenFrames ?? 0;
  if (completionTokens === 0) return { usage: noUsage, isEstimated: false };
  return { usage: { ...noUsage, promptTokens, completionTokens }, isEstimated: true };
}
