/**
 * The baseline a language model must beat: an add-k smoothed bigram model counted on the training tokens,
 * its mean negative log-likelihood in nats a token on the held-out ones (Jurafsky & Martin, §3.6).
 * k is the best of a small grid on the held-out tokens, which favours the baseline.
 */
export type TokenArray = Uint16Array | Uint32Array;

const candidates = [1, 0.3, 0.1, 0.03, 0.01] as const;

export function bigramLoss(
  train: readonly TokenArray[],
  validation: readonly TokenArray[],
  vocabularySize: number,
): number {
  const pairs = new Map<number, number>();
  const firsts = new Float64Array(vocabularySize);
  for (const tokens of train) {
    for (let at = 0; at + 1 < tokens.length; at += 1) {
      const first = tokens[at] as number;
      const key = first * vocabularySize + (tokens[at + 1] as number);
      pairs.set(key, (pairs.get(key) ?? 0) + 1);
      firsts[first] = (firsts[first] as number) + 1;
    }
  }
  const losses = candidates.map(() => 0);
  let count = 0;
  for (const tokens of validation) {
    for (let at = 0; at + 1 < tokens.length; at += 1) {
      const first = tokens[at] as number;
      const seen = pairs.get(first * vocabularySize + (tokens[at + 1] as number)) ?? 0;
      const total = firsts[first] as number;
      for (const [index, k] of candidates.entries()) {
        losses[index] = (losses[index] as number) - Math.log((seen + k) / (total + k * vocabularySize));
      }
      count += 1;
    }
  }
  if (count === 0) return Math.log(vocabularySize);
  return Math.min(...losses) / count;
}
