/** Our sampling options → the addon's; `generated` is what repetition penalties look back on. */
import type { SamplingOptions } from '../llm-engine.ts';

/** More than an answer has. */
const penaltyWindow = 65_536;

export function samplerConfig(
  sampling: SamplingOptions,
  generated: readonly number[],
): Readonly<Record<string, unknown>> {
  const { temperature, topK, topP, minP, seed, presencePenalty, frequencyPenalty, logitBias } = sampling;
  return {
    temperature,
    seed: seed >>> 0,
    ...(topK === undefined ? {} : { topK }),
    ...(topP < 1 ? { topP } : {}),
    ...(minP === undefined ? {} : { minP }),
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
