/**
 * Learns the merges of a byte-level BPE: the most frequent adjacent pair becomes a token, again and again
 * (Sennrich et al. 2016, Algorithm 1). Only words that hold the merged pair are touched, and a heap with
 * stale entries gives the next pair; ties go to the smaller ids, so the same texts give the same tokenizer.
 */
import { byteCharacters } from '@gantry/formats';
import { createTokenizer, endOfText, type Tokenizer } from './bpe-tokenizer.ts';
import { createPairHeap } from './pair-heap.ts';
import { preTokenise } from './pre-tokenise.ts';

/** End of text and the 256 bytes: no byte-level vocabulary is smaller. */
export const smallestVocabulary = 257;

interface Word {
  ids: number[];
  readonly count: number;
}

export function trainBpe(texts: Iterable<string>, options: { readonly vocabularySize: number }): Tokenizer {
  const { vocabularySize } = options;
  if (!Number.isInteger(vocabularySize) || vocabularySize < smallestVocabulary || vocabularySize > 1 << 20) {
    throw new RangeError(`vocabularySize is ${vocabularySize}; it must lie between 257 and 1048576`);
  }
  // As Hugging Face's trainer lays it out: special tokens, then the alphabet in character order, then merges.
  const tokens = [endOfText, ...[...byteCharacters].sort()];
  const idByCharacter = new Map(tokens.map((token, id) => [token, id]));
  const byteIds = byteCharacters.map((character) => idByCharacter.get(character) as number);
  const merges: [string, string][] = [];

  const words = countWords(texts, byteIds);
  const counts = new Map<number, number>();
  const wordsOfPair = new Map<number, Set<number>>();
  const keyOf = (left: number, right: number): number => left * vocabularySize + right;
  const add = (key: number, word: number, count: number): void => {
    counts.set(key, (counts.get(key) ?? 0) + count);
    const holders = wordsOfPair.get(key);
    if (holders === undefined) wordsOfPair.set(key, new Set([word]));
    else holders.add(word);
  };
  for (const [index, { ids, count }] of words.entries()) {
    for (let at = 0; at + 1 < ids.length; at += 1)
      add(keyOf(ids[at] as number, ids[at + 1] as number), index, count);
  }
  const heap = createPairHeap();
  for (const [key, count] of counts) heap.push(key, count);

  while (tokens.length < vocabularySize) {
    const top = heap.pop();
    if (top === undefined) break;
    const current = counts.get(top.key) ?? 0;
    if (current !== top.count) {
      if (current > 0 && current < top.count) heap.push(top.key, current);
      continue;
    }
    // A pair seen once teaches nothing about other text.
    if (current < 2) break;
    const left = Math.floor(top.key / vocabularySize);
    const right = top.key % vocabularySize;
    const leftToken = tokens[left] as string;
    const rightToken = tokens[right] as string;
    const merged = tokens.length;
    tokens.push(leftToken + rightToken);
    merges.push([leftToken, rightToken]);
    const touched = new Set<number>();
    for (const index of wordsOfPair.get(top.key) ?? []) {
      const word = words[index] as Word;
      for (let at = 0; at + 1 < word.ids.length; at += 1) {
        const key = keyOf(word.ids[at] as number, word.ids[at + 1] as number);
        counts.set(key, (counts.get(key) ?? 0) - word.count);
      }
      word.ids = mergePair(word.ids, left, right, merged);
      for (let at = 0; at + 1 < word.ids.length; at += 1) {
        const key = keyOf(word.ids[at] as number, word.ids[at + 1] as number);
        add(key, index, word.count);
        touched.add(key);
      }
    }
    counts.delete(top.key);
    wordsOfPair.delete(top.key);
    for (const key of touched) heap.push(key, counts.get(key) ?? 0);
  }
  return createTokenizer({ tokens, merges, addedTokens: [{ id: 0, content: endOfText, special: true }] });
}

function countWords(texts: Iterable<string>, byteIds: readonly number[]): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const piece of preTokenise(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  return [...counts].map(([piece, count]) => ({
    ids: Array.from(encoder.encode(piece), (byte) => byteIds[byte] as number),
    count,
  }));
}

function mergePair(ids: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = [];
  for (let at = 0; at < ids.length; at += 1) {
    if (ids[at] === left && ids[at + 1] === right) {
      result.push(merged);
      at += 1;
    } else {
      result.push(ids[at] as number);
    }
  }
  return result;
}
