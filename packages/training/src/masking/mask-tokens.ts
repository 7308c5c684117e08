/**
 * Masked language modelling (Devlin et al. 2019, §3.1): of each sequence 15 % of the tokens are to be guessed; of
 * these 80 % become the mask token, 10 % another token, 10 % stay. Always the same number a sequence, so that the
 * weight of a guess does not depend on who computes it; which ones follows from the seed and the sequence's place in
 * the order of training, so every layout and every resume masks alike, and each epoch otherwise.
 */
import { createRandom } from '@gantry/kit';

export interface MaskedRow {
  /** Tokens of one sequence; what is masked is written over. */
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
  readonly weights: Float32Array;
}

export interface MaskOptions {
  readonly seed: number;
  readonly place: number;
  readonly maskId: number;
  /** Other tokens are drawn below this. */
  readonly vocabularySize: number;
  /** Of each guess. */
  readonly weight: number;
}

/** Guesses of a sequence of `time` tokens. */
export function maskedCount(time: number): number {
  return Math.max(1, Math.round(time * 0.15));
}

export function maskSequence(
  { tokens, targets, weights }: MaskedRow,
  { seed, place, maskId, vocabularySize, weight }: MaskOptions,
): void {
  targets.set(tokens);
  weights.fill(0);
  // The multiplier is odd: places stay apart modulo 2³².
  const random = createRandom((Math.imul(place + 1, 0x9e3779b1) ^ seed) >>> 0);
  const time = tokens.length;
  let left = maskedCount(time);
  // Each of the remaining tokens is chosen with the share of those still wanted (Knuth, vol. 2, 3.4.2, algorithm S).
  for (let at = 0; left > 0; at += 1) {
    if (random.next() * (time - at) >= left) continue;
    left -= 1;
    weights[at] = weight;
    const how = random.next();
    if (how < 0.8) tokens[at] = BigInt(maskId);
    else if (how < 0.9) tokens[at] = BigInt(random.below(vocabularySize));
  }
}
