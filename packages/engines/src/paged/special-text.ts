/** Text in which the names of special tokens are those tokens; for templates, never for what a user wrote. */
import type { Tokenizer } from '@gantry/training/tokenizer';

export function encodeWithSpecials(tokenizer: Tokenizer, text: string): number[] {
  const { addedTokens } = tokenizer.vocabulary;
  const tokens: number[] = [];
  let rest = text;
  while (rest.length > 0) {
    let next: { readonly at: number; readonly id: number; readonly length: number } | undefined;
    for (const { id, content } of addedTokens) {
      const at = rest.indexOf(content);
      if (at === -1 || content === '') continue;
      if (next === undefined || at < next.at || (at === next.at && content.length > next.length))
        next = { at, id, length: content.length };
    }
    tokens.push(...tokenizer.encode(next === undefined ? rest : rest.slice(0, next.at)));
    if (next === undefined) break;
    tokens.push(next.id);
    rest = rest.slice(next.at + next.length);
  }
  return tokens;
}
