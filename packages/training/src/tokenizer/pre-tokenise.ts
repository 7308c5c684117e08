/** GPT-2's pre-tokenisation (openai/gpt-2, `encoder.py`): merges never cross the pieces it yields. */
const pieces = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

export function* preTokenise(text: string): Generator<string> {
  for (const match of text.matchAll(pieces)) yield match[0];
}
