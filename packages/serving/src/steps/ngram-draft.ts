/**
 * Guesses how a sequence goes on from what it said before: the longest recent ending that occurred earlier is
 * likely followed by the same tokens (prompt lookup decoding; Saxena 2023). Costs no model and no memory.
 */
const longestEnding = 4;
const shortestEnding = 2;
/** Further back it costs more to look than a guess is worth. */
const lookBackTokens = 4_096;

/** What followed there, `most` tokens or fewer; none where the ending of these tokens is new. */
export function ngramDraft(tokens: readonly number[], most: number): readonly number[] {
  const end = tokens.length;
  const from = Math.max(0, end - lookBackTokens);
  for (let size = Math.min(longestEnding, end - 1); size >= shortestEnding; size--) {
    for (let at = end - size - 1; at >= from; at--) {
      let same = 0;
      while (same < size && tokens[at + same] === tokens[end - size + same]) same++;
      if (same === size) return tokens.slice(at + size, Math.min(at + size + most, end));
    }
  }
  return [];
}
