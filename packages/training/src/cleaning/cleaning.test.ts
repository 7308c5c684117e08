import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { DocumentCleaner, type CleaningOptions } from './index.ts';
import { estimatedSimilarity, signatureOf, type Signature } from './near-duplicates.ts';
import { qualityFailure } from './quality-rules.ts';

const nothing: CleaningOptions = {
  quality: undefined,
  duplicates: false,
  nearDuplicates: undefined,
  heldOut: [],
};

const random = createRandom(4);
const word = (): string => `w${random.below(5_000).toString(36)}`;
const wordsOf = (count: number): string[] => Array.from({ length: count }, word);
/** Of each `every` words one is another. */
const changed = (words: readonly string[], every: number): string =>
  words.map((one, index) => (index % every === every - 1 ? word() : one)).join(' ');

const prose = `${'We keep what people have written with care, and that is what a model should learn to say.\n'.repeat(1)}${Array.from(
  { length: 12 },
  (_, line) =>
    `In line ${line} there is something new to read about the ${word()} of the ${word()} and more.`,
).join('\n')}`;

describe('quality rules', () => {
  it('let running text pass', () => {
    expect(qualityFailure(prose)).toBeUndefined();
  });

  it.each([
    ['words', 'too short to tell of anything'],
    ['meanWordLength', 'a b '.repeat(60)],
    ['symbolsPerWord', `${prose} ${'# '.repeat(60)}`],
    [
      'bulletLines',
      prose
        .split('\n')
        .map((line) => `- ${line}`)
        .join('\n'),
    ],
    [
      'ellipsisLines',
      prose
        .split('\n')
        .map((line) => `${line}…`)
        .join('\n')
        .replaceAll('…', '...'),
    ],
    ['alphabeticWords', `${prose} ${'1234 5678 '.repeat(60)}`],
    [
      'stopWords',
      wordsOf(80)
        .map((one) => `${one}xyz`)
        .join(' '),
    ],
    ['repeatedLines', Array.from({ length: 9 }, () => prose.split('\n')[3]).join('\n')],
  ] as const)('%s names what is not', (rule, text) => {
    const bounds = rule === 'ellipsisLines' ? { symbolsPerWord: { maximum: 1 } } : {};
    expect(qualityFailure(text, bounds)).toMatchObject({ rule });
  });

  it('take other bounds', () => {
    expect(qualityFailure('too short', { words: { minimum: 1 }, stopWords: { minimum: 0 } })).toBeUndefined();
  });
});

describe('near duplicates', () => {
  it('estimates the Jaccard similarity of runs of words', () => {
    const words = wordsOf(600);
    // One word of 60 changed spoils 5 of 60 runs: 55 of 65 are shared.
    const similarity = estimatedSimilarity(
      signatureOf(words.join(' ')) as Signature,
      signatureOf(changed(words, 60)) as Signature,
    );
    expect(Math.abs(similarity - 55 / 65)).toBeLessThan(0.1);
    expect(
      estimatedSimilarity(
        signatureOf(words.join(' ')) as Signature,
        signatureOf(wordsOf(600).join(' ')) as Signature,
      ),
    ).toBeLessThan(0.03);
  });

  it('finds nearly all copies with a word changed here and there, and nothing else', () => {
    const cleaner = new DocumentCleaner({ ...nothing, nearDuplicates: 0.75 });
    const originals = Array.from({ length: 200 }, () => wordsOf(200));
    const verdicts = originals.map((words) => cleaner.judge(words.join(' ')).kind);
    expect(verdicts.every((kind) => kind === 'kept')).toBe(true);
    const copies = originals.map((words) => cleaner.judge(changed(words, 100)));
    const found = copies.filter(
      (verdict) => verdict.kind === 'dropped' && verdict.reason === 'near_duplicate',
    );
    expect(found.length).toBeGreaterThan(190);
  });
});

describe('cleaning', () => {
  it('drops what is equal but for case, punctuation and white space', () => {
    const cleaner = new DocumentCleaner({ ...nothing, duplicates: true });
    expect(cleaner.judge('One word, two words.').kind).toBe('kept');
    expect(cleaner.judge('one  word\ntwo WORDS')).toMatchObject({ reason: 'duplicate' });
  });

  it('drops documents that share a run of 13 words, or a whole short text, with an examination', () => {
    const exam = wordsOf(40);
    const cleaner = new DocumentCleaner({ ...nothing, heldOut: [exam.join(' '), 'what is six by seven'] });
    const around = (middle: string): string => [...wordsOf(30), middle, ...wordsOf(30)].join(' ');
    expect(cleaner.judge(around(exam.slice(5, 18).join(', ').toUpperCase()))).toMatchObject({
      reason: 'contaminated',
    });
    expect(cleaner.judge(around(exam.slice(5, 17).join(' '))).kind).toBe('kept');
    expect(cleaner.judge(around('What is six by seven?'))).toMatchObject({ reason: 'contaminated' });
  });
});
