/**
 * Tokens → text as it becomes certain: a character whose bytes lie in several tokens is held back until it
 * is whole. Text is taken as the difference of two decodings, because some tokenizers write a leading space
 * depending on what stands before.
 */
const replacement = '\uFFFD';
/** A UTF-8 character has at most four bytes; what is still broken after as many tokens stays broken. */
const longestCharacterTokens = 4;

export interface TextStream {
  /** The text that became certain with this token; often empty for part of a character. */
  push(token: number): string;
  /** What was held back, at the end. */
  flush(): string;
}

export function createTextStream(detokenize: (tokens: readonly number[]) => string): TextStream {
  /** The last piece that was given out, for context, and the tokens after it. */
  let given: readonly number[] = [];
  let held: number[] = [];
  const take = (isForced: boolean): string => {
    if (held.length === 0) return '';
    const before = detokenize(given);
    const all = detokenize([...given, ...held]);
    if (all.endsWith(replacement) && !isForced) return '';
    given = held;
    held = [];
    return all.slice(before.length);
  };
  return {
    push: (token) => {
      held.push(token);
      return take(held.length >= longestCharacterTokens);
    },
    flush: () => take(true),
  };
}
