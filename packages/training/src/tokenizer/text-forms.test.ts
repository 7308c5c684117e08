/** Tokenizers of others: each cuts text in its own way, and one that is not known is refused. */
import { FormatError, toTokenizerJson, type BpeVocabulary, type TextForm } from '@gantry/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTokenizer, preTokenise, tokenizerFromJson, trainBpe } from './index.ts';
import { sentencePieceOf } from './testing/index.ts';

const text = "The cats' 2024 menu: I'LL eat 12345 mice, won't you? ".repeat(9);
const trained = trainBpe([text], { vocabularySize: 400 }).vocabulary;
const forms: Readonly<Record<string, TextForm>> = {
  'gpt-2': { kind: 'byte-level', cut: 'gpt-2', isComposed: false },
  'llama-3': { kind: 'byte-level', cut: 'llama-3', isComposed: false },
  'qwen-2': { kind: 'byte-level', cut: 'qwen-2', isComposed: true },
  smollm: { kind: 'byte-level', cut: 'smollm', isComposed: false },
  tekken: { kind: 'byte-level', cut: 'tekken', isComposed: false },
};

describe.each(Object.entries(forms))('%s', (name, form) => {
  const startId = name === 'llama-3' ? 0 : undefined;
  const vocabulary: BpeVocabulary = { ...trained, form, ...(startId === undefined ? {} : { startId }) };

  it('is the same tokenizer after a round trip through tokenizer.json', () => {
    const again = tokenizerFromJson(JSON.parse(JSON.stringify(toTokenizerJson(vocabulary))));
    expect(again.vocabulary).toEqual(vocabulary);
  });

  it('gives back every text it encodes', () => {
    const tokenizer = createTokenizer(vocabulary);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (any) => {
        const wanted = name === 'qwen-2' ? any.normalize('NFC') : any;
        expect(tokenizer.decode(tokenizer.encode(any))).toBe(wanted);
      }),
      { seed: 2, numRuns: 100 },
    );
  });
});

describe('text is cut', () => {
  it.each([
    ['gpt-2', ['I', "'", 'LL', ' eat', ' 12345', '\n', '\n', 'mice']],
    ['llama-3', ['I', "'LL", ' eat', ' ', '123', '45', '\n\n', 'mice']],
    ['qwen-2', ['I', "'LL", ' eat', ' ', '1', '2', '3', '4', '5', '\n\n', 'mice']],
    ['smollm', ['I', "'", 'LL', ' eat', ' ', '1', '2', '3', '4', '5', '\n', '\n', 'mice']],
    ['tekken', ['I', "'LL", ' eat', ' ', '1', '2', '3', '4', '5', '\n\n', 'mice']],
  ] as const)("as %s's", (cut, pieces) => {
    expect([...preTokenise("I'LL eat 12345\n\nmice", cut)]).toEqual(pieces);
  });

  it('at what Unicode calls white space', () => {
    expect([...preTokenise('a\u0085b\uFEFFc')]).toEqual(['a', '\u0085', 'b', '\uFEFF', 'c']);
  });
});

describe('SentencePiece', () => {
  const vocabulary = sentencePieceOf(['▁the', '▁cat', '▁▁▁']);
  const tokenizer = createTokenizer(vocabulary);
  const said = (words: string): string[] => tokenizer.encode(words).map((id) => vocabulary.tokens[id] ?? '');

  it('puts a space before, keeps runs of them, and writes in bytes what it has no token for', () => {
    expect(said('the cat')).toEqual(['▁the', '▁cat']);
    expect(said('the    cat')).toEqual(['▁the', '▁▁▁', '▁cat']);
    expect(said('cäté')).toEqual(['▁c', '<0xC3>', '<0xA4>', 't', '<0xC3>', '<0xA9>']);
    expect(said('')).toEqual([]);
  });

  it('gives back every text it encodes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (any) => {
        const marks = any.replaceAll('\u2581', '');
        expect(tokenizer.decode(tokenizer.encode(marks))).toBe(marks);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it.each(['always', 'where-missing', 'never'] as const)(
    'is read as it was written: space %s',
    (spaceBefore) => {
      const form: TextForm = { kind: 'sentencepiece', spaceBefore, unknownId: 0 };
      const json: unknown = JSON.parse(JSON.stringify(toTokenizerJson({ ...vocabulary, form })));
      expect(tokenizerFromJson(json).vocabulary).toEqual({ ...vocabulary, form });
    },
  );
});

describe('a tokenizer.json is refused, with a hint, that', () => {
  const json = toTokenizerJson(trained);
  const model = json['model'] as object;
  const split = (Regex: string, behavior = 'Isolated') => ({
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex }, behavior, invert: false },
      { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
    ],
  });
  const startOf = (id: unknown) => ({
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id } }, { Sequence: { id: 'A' } }],
  });
  it.each([
    ['does not say how it cuts', { pre_tokenizer: null }],
    ['cuts by a pattern that is not known', { pre_tokenizer: split('\\w+') }],
    ['drops what it cuts at', { pre_tokenizer: split('\\s+', 'Removed') }],
    ['cuts at white space', { pre_tokenizer: { type: 'Whitespace' } }],
    ['puts a space before bytes', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }],
    ['changes letters', { normalizer: { type: 'Lowercase' } }],
    ['joins in another order', { model: { ...model, ignore_merges: true } }],
    ['marks the ends of words', { model: { ...model, end_of_word_suffix: '</w>' } }],
    ['has spaces of its own', { model: { ...model, byte_fallback: true } }],
    ['begins with what has no name', { post_processor: startOf({ toString: 1 }) }],
    ['ends no text', { added_tokens: [] }],
    ['adds an end to text', { post_processor: { type: 'BertProcessing', sep: ['x', 0], cls: ['x', 0] } }],
  ])('%s', (_what, change) => {
    const refusal = (): unknown => {
      try {
        return tokenizerFromJson({ ...json, ...change });
      } catch (error) {
        return error;
      }
    };
    expect(refusal()).toBeInstanceOf(FormatError);
    expect(refusal()).toMatchObject({
      code: 'format_unsupported',
      hint: expect.stringMatching(/\w/) as string,
    });
  });
});
