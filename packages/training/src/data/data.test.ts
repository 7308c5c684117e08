import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bigramLoss, chooseValidationFiles, cutTail, documentsOf } from './index.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('documents of a file', () => {
  it('takes a text file whole and JSON Lines by line', () => {
    expect(documentsOf('a.md', bytes('# x\n'))).toEqual({ kind: 'documents', documents: ['# x\n'] });
    expect(documentsOf('a.jsonl', bytes('{"text":"one"}\n\n"two"\n'))).toEqual({
      kind: 'documents',
      documents: ['one', 'two'],
    });
  });

  it('names the line of a broken record', () => {
    expect(documentsOf('a.jsonl', bytes('{"text":"one"}\n{'))).toMatchObject({ kind: 'invalid', line: 2 });
    expect(documentsOf('a.jsonl', bytes('{"x":1}'))).toMatchObject({ kind: 'invalid', line: 1 });
  });

  it('recognises binary files by NUL or by broken UTF-8', () => {
    expect(documentsOf('a', Uint8Array.of(65, 0, 66)).kind).toBe('binary');
    expect(documentsOf('a', Uint8Array.of(0xff, 0xfe, 65)).kind).toBe('binary');
  });

  it('cuts a tail at a line end', () => {
    expect(cutTail('aaaa\nbbbb\ncccc\n', 0.4)).toEqual(['aaaa\nbbbb\n', 'cccc\n']);
  });
});

describe('split by file', () => {
  it('holds out whole files, some but never all, the same for the same seed', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 1_000 })), {
          minLength: 2,
          maxLength: 20,
          selector: ([path]) => path,
        }),
        fc.integer(),
        (entries, seed) => {
          const files = entries.map(([path, size]) => ({ path, bytes: size }));
          const held = chooseValidationFiles(files, { validationFraction: 0.2, seed });
          expect(held.size).toBeGreaterThan(0);
          expect(held.size).toBeLessThan(files.length);
          expect(chooseValidationFiles(files.toReversed(), { validationFraction: 0.2, seed })).toEqual(held);
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });
});

describe('bigram baseline', () => {
  it('approaches zero on a sequence that repeats and ln V on one that cannot be predicted', () => {
    const cycle = Uint16Array.from({ length: 4_000 }, (_, index) => index % 4);
    expect(bigramLoss([cycle], [cycle], 4)).toBeLessThan(0.001);
    expect(bigramLoss([], [cycle], 4)).toBeCloseTo(Math.log(4), 9);
  });
});
