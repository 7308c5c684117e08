/** Our sampling options → the addon's; `generated` is what repetition penalties look back on. */
import type { SamplingOptions } from '../llm-engine.ts';

const penaltyWindow = 256;

export function samplerConfig(
  sampling: SamplingOptions,
  generated: readonly number[],
): Readonly<Record<string, unknown>> {
  const { temperature, topP, seed, presencePenalty, frequencyPenalty, logitBias } = sampling;
  return {
    temperature,
    seed: seed >>> 0,
    ...(topP < 1 ? { topP } : {}),
    ...(presencePenalty === undefined && frequencyPenalty === undefined
      ? {}
      : {
          repeatPenalty: 1,
          repeatPenaltyMaxTokens: penaltyWindow,
          repeatPenaltyTokens: Uint32Array.from(generated.slice(-penaltyWindow)),
          repeatPenaltyPresencePenalty: presencePenalty ?? 0,
          repeatPenaltyFrequencyPenalty: frequencyPenalty ?? 0,
        }),
    ...(logitBias === undefined || logitBias.size === 0
      ? {}
      : {
          tokenBiasKeys: Uint32Array.from(logitBias.keys()),
          tokenBiasValues: Float32Array.from(logitBias.values()),
        }),
  };
}
