/**
 * Where a text names added tokens. As in Hugging Face's `tokenizers` and in llama.cpp, those that are not special are
 * themselves in any text; names of special ones are text unless the caller vouches for them.
 */
import type { AddedToken } from '@gantry/formats';

export type TextPart = { readonly text: string } | { readonly id: number };
export type CutAtNames = (text: string) => readonly TextPart[];

/** Leftmost first, and of several there the longest. */
export function cutAtNames(added: readonly AddedToken[]): CutAtNames {
  const ids = new Map(added.filter(({ content }) => content !== '').map(({ id, content }) => [content, id]));
  if (ids.size === 0) return (text) => [{ text }];
  const longestFirst = [...ids.keys()].sort((one, other) => other.length - one.length);
  const names = new RegExp(`(${longestFirst.map((name) => RegExp.escape(name)).join('|')})`);
  return (text) =>
    text
      .split(names)
      .map((part, at): TextPart => (at % 2 === 1 ? { id: ids.get(part) as number } : { text: part }))
      .filter((part) => 'id' in part || part.text !== '');
}
