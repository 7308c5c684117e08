import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createWindowSampler } from './window-sampler.ts';

const sizes = fc
  .array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 12 })
  .filter((all) => all.some((one) => one > 0));
const startsOf = (all: readonly number[]): number[] =>
  all.reduce<number[]>((starts, size) => [...starts, (starts.at(-1) as number) + size], [0]);
const shardOf = (starts: readonly number[], sequence: number): number =>
  starts.findLastIndex((start, shard) => start <= sequence && (starts[shard + 1] ?? 0) > sequence);

it('reads every sequence once an epoch, from no more shards at a time than a window has, and says beforehand which', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 5 }), fc.nat(1000), (all, window, seed) => {
      const starts = startsOf(all);
      const sampler = createWindowSampler(starts, window, seed);
      const length = sampler.sequencesPerEpoch;
      for (const epoch of [0, 1]) {
        const read = Array.from({ length }, (_, at) => sampler.sequenceAt(epoch * length + at));
        expect(read.toSorted((a, b) => a - b)).toEqual(Array.from({ length }, (_, at) => at));
        const shards = read.map((sequence) => shardOf(starts, sequence));
        for (const [at, shard] of shards.entries()) {
          const now = sampler.shardsBetween(epoch * length + at, epoch * length + at + 1);
          expect(now).toContain(shard);
          expect(now.length).toBeLessThanOrEqual(window);
        }
        const needed = sampler.shardsBetween(epoch * length, (epoch + 1) * length);
        expect(new Set(needed)).toEqual(new Set(shards));
      }
    }),
    { seed: 17, numRuns: 60 },
  );
});

it('shuffles anew each epoch, the same for the same seed, from any place', () => {
  const starts = startsOf([9, 9, 9, 9, 9]);
  const sampler = createWindowSampler(starts, 2, 5);
  const epoch = (number: number): number[] =>
    Array.from({ length: 45 }, (_, at) => sampler.sequenceAt(number * 45 + at));
  const [first, second] = [epoch(0), epoch(1)];
  expect(second).not.toEqual(first);
  expect(epoch(0)).toEqual(first);
  expect(createWindowSampler(starts, 2, 5).sequenceAt(60)).toBe(second[15]);
});
