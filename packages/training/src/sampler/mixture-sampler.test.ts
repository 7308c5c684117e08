import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMixtureSampler, createSequenceSampler } from './index.ts';

describe('mixing sources by weight', () => {
  it('reads one source as if it were no mixture', () => {
    const alone = createSequenceSampler(70, 9);
    const mixture = createMixtureSampler([{ sequences: 70, weight: 3 }], 9);
    for (const position of [0, 1, 69, 70, 1023, 1024, 5000])
      expect(mixture.sequenceAt(position)).toBe(alone.sequenceAt(position));
  });

  it('draws each source as often as it weighs, in every block, and each of its sequences once before any twice', () => {
    const source = fc.record({
      sequences: fc.integer({ min: 1, max: 300 }),
      weight: fc.double({ min: 0.001, max: 10, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(source, { minLength: 2, maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        (sources, blocks) => {
          const sampler = createMixtureSampler(sources, 5);
          const length = blocks * 1024;
          const read = Array.from({ length }, (_, position) => sampler.sequenceAt(position));
          const weights = sources.reduce((sum, { weight }) => sum + weight, 0);
          let offset = 0;
          for (const { sequences, weight } of sources) {
            const own = read.filter((sequence) => sequence >= offset && sequence < offset + sequences);
            expect(Math.abs(own.length - (length * weight) / weights)).toBeLessThanOrEqual(sources.length);
            const times = new Map<number, number>();
            for (const sequence of own) times.set(sequence, (times.get(sequence) ?? 0) + 1);
            const all = Array.from({ length: sequences }, (_, index) => times.get(offset + index) ?? 0);
            expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
            offset += sequences;
          }
          const again = createMixtureSampler(sources, 5);
          const middle = Math.floor(length / 2);
          expect(again.sequenceAt(middle)).toBe(read[middle]);
        },
      ),
      { seed: 3, numRuns: 60 },
    );
  });
});
