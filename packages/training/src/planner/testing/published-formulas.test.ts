/** The formulas that the planner is held against give what their papers print. */
import { describe, expect, it } from 'vitest';
import { activationBytes, parameterCount } from './published-formulas.ts';

const gib = 1024 ** 3;

describe('Megatron, SC’21 Table 1: parameters to the published digit', () => {
  it.each([
    { billions: 1.7, layers: 24, width: 2304, heads: 24 },
    { billions: 3.6, layers: 30, width: 3072, heads: 32 },
    { billions: 7.5, layers: 36, width: 4096, heads: 32 },
    { billions: 18.4, layers: 40, width: 6144, heads: 48 },
    { billions: 39.1, layers: 48, width: 8192, heads: 64 },
    { billions: 76.1, layers: 60, width: 10_240, heads: 80 },
    { billions: 145.6, layers: 80, width: 12_288, heads: 96 },
    { billions: 310.1, layers: 96, width: 16_384, heads: 128 },
    { billions: 529.6, layers: 105, width: 20_480, heads: 128 },
    { billions: 1008, layers: 128, width: 25_600, heads: 160 },
  ])('$billions B', ({ billions, ...sizes }) => {
    const parameters = parameterCount({ ...sizes, vocabulary: 51_200, sequenceLength: 2048 });
    expect(Math.abs(parameters / 1e9 - billions)).toBeLessThan(0.06);
  });
});

describe('activations, Korthikanti et al. Fig. 1 (GiB, 0.1 %)', () => {
  /** [name, layers, width, heads, tensor, pipeline, virtual stages, none, selective with sequence parallel] */
  const rows: [string, number, number, number, number, number, number, number, number, number][] = [
    ['22B', 48, 6144, 64, 8, 1, 1, 4, 59.25, 9.5625],
    ['175B', 96, 12_288, 96, 8, 8, 3, 1, 66.843_75, 12.351_562_5],
    ['530B', 105, 20_480, 128, 8, 35, 3, 1, 114.0234, 23.0762],
    ['1T', 128, 25_600, 160, 8, 64, 1, 1, 131.25, 26.5625],
  ];
  for (const [
    name,
    layers,
    width,
    heads,
    tensorParallel,
    pipeline,
    virtualStages,
    microBatch,
    none,
    both,
  ] of rows) {
    it(name, () => {
      const model = { layers, width, heads, vocabulary: 51_200, sequenceLength: 2048 };
      const choice = { microBatch, tensorParallel, pipeline, virtualStages };
      const plain =
        activationBytes(model, { ...choice, recompute: 'none', hasSequenceParallel: false }) / gib;
      const least =
        activationBytes(model, { ...choice, recompute: 'selective', hasSequenceParallel: true }) / gib;
      expect(Math.abs(plain / none - 1)).toBeLessThan(0.001);
      expect(Math.abs(least / both - 1)).toBeLessThan(0.001);
    });
  }
});
