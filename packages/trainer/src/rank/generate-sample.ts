/** A few words from the model as it is: sampled at a temperature, the same for the same seed. */
import { createRandom } from '@gantry/kit';
import type { Tokenizer } from '@gantry/training/tokenizer';
import type { ModelExecutor } from '../executor/index.ts';

export interface SampleOptions {
  readonly prompt: string;
  readonly seed: number;
  readonly tokens: number;
  readonly temperature: number;
}

/** `executor` is of kind `logits` with one sequence. The window slides when text outgrows it. */
export async function generateSample(
  executor: ModelExecutor,
  tokenizer: Tokenizer,
  options: SampleOptions,
): Promise<string> {
  const random = createRandom(options.seed);
  const window = executor.tokens.length;
  const vocabulary = executor.logits.length / window;
  // As the exported model is prompted: nothing in front, unless there is nothing at all.
  const prompt = tokenizer.encode(options.prompt);
  const ids = prompt.length === 0 ? [tokenizer.eosId] : prompt;
  const promptLength = ids.length;
  while (ids.length < promptLength + options.tokens) {
    const visible = ids.slice(-window);
    executor.tokens.fill(BigInt(tokenizer.eosId));
    for (const [index, id] of visible.entries()) executor.tokens[index] = BigInt(id);
    await executor.run();
    const from = (visible.length - 1) * vocabulary;
    const next = choose(
      executor.logits.subarray(from, from + vocabulary),
      options.temperature,
      random.next(),
    );
    if (next === tokenizer.eosId) break;
    ids.push(next);
  }
  return tokenizer.decode(ids.slice(promptLength));
}

/** The token whose share of the probability line holds `point` in [0, 1). */
function choose(logits: Float32Array, temperature: number, point: number): number {
  let top = -Infinity;
  for (const logit of logits) top = Math.max(top, logit);
  const shares = Float64Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  let rest = point * shares.reduce((sum, share) => sum + share, 0);
  for (const [index, share] of shares.entries()) {
    rest -= share;
    if (rest < 0) return index;
  }
  return shares.length - 1;
}
