import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTokenizer, endOfText, smallestVocabulary, tokenizerFromJson, trainBpe } from './index.ts';
import { type FindMerge, mergeSymbols } from './merge-symbols.ts';

const text = 'the cat sat on the mat; the cat ate the rat. '.repeat(20);

describe('byte-level BPE', () => {
  it('gives back every text it encodes, also text it never saw', () => {
    const tokenizer = trainBpe([text], { vocabularySize: 300 });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (any) => {
        expect(tokenizer.decode(tokenizer.encode(any))).toBe(any);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('learns the most frequent pair first and breaks ties by the smaller ids', () => {
    const tokenizer = trainBpe(['abab abab cdcd'], { vocabularySize: 259 });
    expect(tokenizer.vocabulary.merges).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  it('counts overlapping pairs as it merges them', () => {
    const tokenizer = trainBpe(['aaaa aaaa aaaa'], { vocabularySize: 260 });
    expect(tokenizer.encode('aaaa')).toHaveLength(1);
    expect(tokenizer.decode(tokenizer.encode('aaaaaaa'))).toBe('aaaaaaa');
  });

  it('merges a long word as it would a short one, and a hundred thousand characters at once', () => {
    const find: FindMerge = (left, right) =>
      left + right < 40 && (left * 7 + right * 3) % 5 < 2
        ? { rank: (left * 31 + right * 17) % 23, id: left + right }
        : undefined;
    const symbols = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 49, maxLength: 300 });
    fc.assert(
      fc.property(symbols, (ids) => {
        let wanted = ids;
        for (let isDone = false; !isDone;) {
          const pairs = wanted
            .slice(1)
            .map((right, at) => find(wanted[at] as number, right)?.rank ?? Infinity);
          const best = Math.min(...pairs);
          const at = pairs.indexOf(best);
          isDone = best === Infinity;
          if (!isDone) wanted = wanted.toSpliced(at, 2, (wanted[at] as number) + (wanted[at + 1] as number));
        }
        expect(mergeSymbols([...ids], find)).toEqual(wanted);
      }),
      { seed: 4, numRuns: 200 },
    );
    const tokenizer = trainBpe([text], { vocabularySize: 300 });
    const long = 'thecat'.repeat(20_000);
    expect(tokenizer.decode(tokenizer.encode(long))).toBe(long);
  });

  it('stops where the text teaches no more, and is never smaller than the bytes', () => {
    expect(trainBpe(['ab'], { vocabularySize: 1_000 }).vocabularySize).toBe(smallestVocabulary);
    expect(() => trainBpe(['ab'], { vocabularySize: 256 })).toThrow(/between 257/);
  });

  it('treats the name of a special token in data as text', () => {
    const tokenizer = trainBpe([text], { vocabularySize: 300 });
    const ids = tokenizer.encode(`a${endOfText}b`);
    expect(ids).not.toContain(tokenizer.eosId);
    expect(tokenizer.decode(ids)).toBe(`a${endOfText}b`);
    expect(tokenizer.decode([tokenizer.eosId])).toBe('');
  });

  it('is the same tokenizer after a round trip through tokenizer.json', () => {
    const tokenizer = trainBpe([text], { vocabularySize: 300 });
    const again = tokenizerFromJson(JSON.parse(JSON.stringify(tokenizer.toJson())));
    expect(again.encode(text)).toEqual(tokenizer.encode(text));
    expect(again.eosId).toBe(tokenizer.eosId);
    expect(createTokenizer(again.vocabulary).vocabularySize).toBe(tokenizer.vocabularySize);
  });
});
