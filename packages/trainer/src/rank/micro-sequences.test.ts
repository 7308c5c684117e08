import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseMicroSequences } from './micro-sequences.ts';

const runs = (perRank: number, size: number): number => Math.ceil(perRank / size);

describe('sequences of a graph run', () => {
  it('are no more tokens than fit, and four runs a stage where there are as many sequences', () => {
    expect(chooseMicroSequences(64, 256, { pipeline: 1 }, undefined)).toBe(16);
    expect(runs(64, chooseMicroSequences(64, 16, { pipeline: 4 }, undefined))).toBe(16);
    expect(chooseMicroSequences(3, 16, { pipeline: 4 }, undefined)).toBe(1);
    expect(chooseMicroSequences(12, 16, { pipeline: 2 }, 5)).toBe(3);
  });

  it('make as many runs as interleaved stages take wherever any number does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 2, max: 6 }), (perRank, pipeline) => {
        const size = chooseMicroSequences(perRank, 16, { pipeline, chunks: 2 }, undefined);
        const some = Array.from({ length: perRank }, (_, index) => index + 1).some(
          (other) => runs(perRank, other) % pipeline === 0,
        );
        expect(runs(perRank, size) % pipeline === 0).toBe(some);
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});
