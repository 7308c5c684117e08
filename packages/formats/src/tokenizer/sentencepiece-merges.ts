/**
 * SentencePiece has a score for each token where `tokenizer.json` has merges: of two neighbours whose join is a token,
 * the best-scored join comes first, and of equals the leftmost. So every way to make a token of two others is a merge,
 * ranked by the token's score; of those of one token the longer left part first, which is what is left of a run of equal
 * characters that was joined from the left.
 */
import { FormatError } from '../format-error.ts';

/** Sum of squared lengths: what a file may make us look up. Vocabularies of 256,000 tokens stay below a tenth of it. */
const mostWork = 2 ** 29;

/** `scores` by token id, for those of `ids`, which texts may become; the others take part in no merge. */
export function mergesOfScores(
  tokens: readonly string[],
  scores: readonly number[],
  ids: readonly number[],
): readonly (readonly [left: string, right: string])[] {
  const ranked = ids
    .map((id) => ({ token: tokens[id] ?? '', score: scores[id] ?? 0 }))
    .sort((one, other) => other.score - one.score);
  if (ranked.reduce((sum, { token }) => sum + token.length ** 2, 0) > mostWork)
    throw new FormatError(
      'format_unsupported',
      'The tokens of the GGUF are too long to make merges of.',
      'Put the tokenizer.json of the original model beside it.',
    );
  const known = new Set(ranked.map(({ token }) => token));
  const merges: (readonly [string, string])[] = [];
  for (const { token } of ranked)
    for (let cut = token.length - 1; cut > 0; cut -= 1) {
      const [left, right] = [token.slice(0, cut), token.slice(cut)];
      if (known.has(left) && known.has(right)) merges.push([left, right]);
    }
  return merges;
}
