import fc from 'fast-check';
import { expect, it } from 'vitest';
import { maskedCount, maskSequence } from './mask-tokens.ts';

const maskId = 99;
const mask = (seed: number, place: number, time: number) => {
  const row = {
    tokens: BigInt64Array.from({ length: time }, (_, index) => BigInt(index % 50)),
    targets: new BigInt64Array(time),
    weights: new Float32Array(time).fill(7),
  };
  maskSequence(row, { seed, place, maskId, vocabularySize: maskId, weight: 0.5 });
  return row;
};

it('asks for the same number of tokens in every sequence, and only for these', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31), fc.nat(10 ** 6), fc.integer({ min: 1, max: 300 }), (seed, place, time) => {
      const { tokens, targets, weights } = mask(seed, place, time);
      expect(weights.filter((weight) => weight === 0.5)).toHaveLength(maskedCount(time));
      for (const [index, target] of targets.entries()) {
        expect(target).toBe(BigInt(index % 50));
        if (weights[index] === 0) expect(tokens[index]).toBe(target);
      }
    }),
    { seed: 1 },
  );
});

it('depends on seed and place alone, covers every place, and hides four of five', () => {
  expect(mask(3, 8, 64)).toEqual(mask(3, 8, 64));
  expect(mask(3, 8, 64)).not.toEqual(mask(3, 9, 64));
  const chosen = new Array<number>(20).fill(0);
  let hidden = 0;
  for (let place = 0; place < 4000; place += 1) {
    const { tokens, weights } = mask(1, place, 20);
    for (const [index, weight] of weights.entries()) {
      if (weight === 0) continue;
      chosen[index] = (chosen[index] as number) + 1;
      if (tokens[index] === BigInt(maskId)) hidden += 1;
    }
  }
  // 3 of 20 in 4,000 sequences: 600 each, give or take four standard deviations.
  for (const count of chosen) expect(Math.abs(count - 600)).toBeLessThan(4 * Math.sqrt(600));
  expect(Math.abs(hidden / 12_000 - 0.8)).toBeLessThan(0.02);
});
