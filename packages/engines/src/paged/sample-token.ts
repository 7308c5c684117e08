/**
 * A token from logits, in the order of `SamplingOptions`. Pure; the same seed, the same token.
 */
import type { Random } from '@gantry/kit';
import type { SamplingOptions } from '../llm-engine.ts';
import type { TokenDetails } from '../live-answers.ts';

/** Temperatures below are greedy: dividing by less would overflow. */
const leastTemperature = 1e-3;

export function sampleToken(
  logits: Float32Array,
  sampling: SamplingOptions,
  generated: readonly number[],
  random: Random,
  isAllowed?: (token: number) => boolean,
): number {
  const token = sampleFreely(withPenalties(logits, sampling, generated), sampling, random);
  if (isAllowed === undefined || isAllowed(token)) return token;
  // Most of what a model means to say is allowed; only where it is not is every token asked about.
  const allowed = withPenalties(logits, sampling, generated).map((logit, at) =>
    isAllowed(at) ? logit : -Infinity,
  );
  return sampleFreely(allowed, sampling, random);
}

function sampleFreely(changed: Float32Array, sampling: SamplingOptions, random: Random): number {
  const { temperature } = sampling;
  if (temperature < leastTemperature) return likeliest(changed);
  const most = changed[likeliest(changed)] as number;
  const order = keptTokens(changed, most, sampling);
  const weights = Float64Array.from(changed, (logit) => Math.exp((logit - most) / temperature));
  const kept = order.reduce((sum, token) => sum + (weights[token] as number), 0);
  let left = random.next() * kept;
  for (const token of order) {
    left -= weights[token] as number;
    if (left < 0) return token;
  }
  return order.at(-1) as number;
}

/** The model's own log probability of the token, and of the `count` likeliest. */
export function logprobsOf(logits: Float32Array, token: number, count: number): Required<TokenDetails> {
  const most = logits[likeliest(logits)] as number;
  const logTotal = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) + most;
  const top = [...logits.keys()]
    .sort((one, other) => (logits[other] as number) - (logits[one] as number))
    .slice(0, count)
    .map((id) => ({ token: id, logprob: (logits[id] as number) - logTotal }));
  return { logprob: (logits[token] as number) - logTotal, top };
}

function withPenalties(
  logits: Float32Array,
  { logitBias, presencePenalty = 0, frequencyPenalty = 0 }: SamplingOptions,
  generated: readonly number[],
): Float32Array {
  const isPlain = presencePenalty === 0 && frequencyPenalty === 0;
  if (isPlain && (logitBias === undefined || logitBias.size === 0)) return logits;
  const changed = logits.slice();
  const add = (token: number, amount: number): void => {
    if (token < changed.length) changed[token] = (changed[token] as number) + amount;
  };
  for (const [token, bias] of logitBias ?? []) add(token, bias);
  if (isPlain) return changed;
  const counts = new Map<number, number>();
  for (const token of generated) counts.set(token, (counts.get(token) ?? 0) + 1);
  for (const [token, count] of counts) add(token, -presencePenalty - count * frequencyPenalty);
  return changed;
}

/** The first of the largest. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++)
    if ((logits[token] as number) > (logits[best] as number)) best = token;
  return best;
}

/** Those that may be drawn; at least the likeliest. */
function keptTokens(
  logits: Float32Array,
  most: number,
  { topK, topP, minP }: SamplingOptions,
): readonly number[] {
  if (topK === undefined && topP >= 1 && minP === undefined) return [...logits.keys()];
  const order = [...logits.keys()].sort((one, other) => (logits[other] as number) - (logits[one] as number));
  const best = topK === undefined ? order : order.slice(0, topK);
  const shareOf = (token: number): number => Math.exp((logits[token] as number) - most);
  const wanted = topP < 1 ? topP * best.reduce((sum, token) => sum + shareOf(token), 0) : Infinity;
  let held = 0;
  const end = best.findIndex((token) => (held += shareOf(token)) >= wanted);
  const nucleus = end === -1 ? best : best.slice(0, end + 1);
  return minP === undefined ? nucleus : nucleus.filter((token) => shareOf(token) >= minP);
}
