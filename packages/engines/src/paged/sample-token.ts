/**
 * A token from logits, after OpenAI's definitions: bias is added, penalties subtracted for what was generated already,
 * then temperature, then the smallest set of likeliest tokens that holds `topP`. Pure; the same seed, the same token.
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
  const { temperature, topP } = sampling;
  if (temperature < leastTemperature) return likeliest(changed);
  const most = changed[likeliest(changed)] as number;
  const weights = Float64Array.from(changed, (logit) => Math.exp((logit - most) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = topP < 1 ? nucleus(weights, topP * total) : [...weights.keys()];
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

function nucleus(weights: Float64Array, wanted: number): number[] {
  const order = [...weights.keys()].sort(
    (one, other) => (weights[other] as number) - (weights[one] as number),
  );
  let held = 0;
  const end = order.findIndex((token) => (held += weights[token] as number) >= wanted);
  return end === -1 ? order : order.slice(0, end + 1);
}
