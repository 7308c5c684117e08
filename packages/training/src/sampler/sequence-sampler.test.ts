import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSequenceSampler, rankPart } from './sequence-sampler.ts';

describe('the order of the data', () => {
  it('reads every sequence once an epoch, differently each epoch, the same for the same seed', () => {
    const sampler = createSequenceSampler(50, 3);
    const epoch = (number: number): number[] =>
      Array.from({ length: 50 }, (_, index) => sampler.sequenceAt(number * 50 + index));
    const [first, second] = [epoch(0), epoch(1)];
    expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(second.toSorted((a, b) => a - b)).toEqual(first.toSorted((a, b) => a - b));
    expect(second).not.toEqual(first);
    expect(epoch(0)).toEqual(first);
    expect(createSequenceSampler(50, 3).sequenceAt(77)).toBe(second[27]);
  });

  it('gives each sequence of a batch to exactly one rank, at any world size, shares differing by at most one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 40 }),
        (sequences, worldSize) => {
          const parts = Array.from({ length: worldSize }, (_, rank) => rankPart(sequences, rank, worldSize));
          const read = parts.flatMap(({ from, to }) =>
            Array.from({ length: to - from }, (_, index) => from + index),
          );
          expect(read).toEqual(Array.from({ length: sequences }, (_, index) => index));
          const sizes = parts.map(({ from, to }) => to - from);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        },
      ),
      { seed: 5 },
    );
  });
});
