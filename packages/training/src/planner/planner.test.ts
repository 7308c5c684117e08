import { describe, expect, it } from 'vitest';
import {
  activationBytes,
  iterationFlop,
  parameterCount,
  pipelineBubble,
  trainingSeconds,
} from './transformer-cost.ts';
import { modelStateBytes } from './zero-memory.ts';

const gib = 1024 ** 3;

describe('ZeRO, Table 1 of the paper (GB of 1e9 a device, exact to its rounding)', () => {
  const rows: [number, number, [number, number, number]][] = [
    [7.5e9, 1, [120, 120, 120]],
    [7.5e9, 4, [52.5, 41.25, 30]],
    [7.5e9, 16, [35.6, 21.6, 7.5]],
    [7.5e9, 64, [31.4, 16.6, 1.88]],
    [7.5e9, 256, [30.4, 15.4, 0.47]],
    [7.5e9, 1024, [30.1, 15.1, 0.12]],
    [128e9, 4, [896, 704, 512]],
    [128e9, 64, [536, 284, 32]],
    [128e9, 1024, [513.5, 257.75, 2]],
    [1e12, 4, [7000, 5500, 4000]],
    [1e12, 64, [4187.5, 2218.75, 250]],
    [1e12, 1024, [4011.7, 2013.7, 15.6]],
  ];
  for (const [parameters, devices, expected] of rows) {
    it(`${parameters / 1e9} B on ${devices}`, () => {
      for (const [index, gigabytes] of expected.entries()) {
        const { total } = modelStateBytes(parameters, devices, (index + 1) as 1 | 2 | 3);
        expect(Math.abs(total / 1e9 - gigabytes)).toBeLessThanOrEqual(0.05);
      }
    });
  }

  it('in pure fp32: 16 → 8 + 8/N, 4 + 12/N, 16/N', () => {
    const bytes = ([0, 1, 2, 3] as const).map((stage) => modelStateBytes(1, 8, stage, 'fp32').total);
    expect(bytes).toEqual([16, 9, 5.5, 2]);
  });
});

describe('Megatron, SC’21 Table 1', () => {
  /** [B parameters, layers, width, heads, GPUs, batch, TFLOP/s a GPU, seconds an iteration] */
  const rows: [number, number, number, number, number, number, number, number][] = [
    [1.7, 24, 2304, 24, 32, 512, 137, 3.53],
    [3.6, 30, 3072, 32, 64, 512, 138, 3.7],
    [7.5, 36, 4096, 32, 128, 512, 142, 3.7],
    [18.4, 40, 6144, 48, 256, 1024, 135, 9.4],
    [39.1, 48, 8192, 64, 512, 1536, 138, 14.45],
    [76.1, 60, 10_240, 80, 1024, 1792, 140, 16.06],
    [145.6, 80, 12_288, 96, 1536, 2304, 148, 24.82],
    [310.1, 96, 16_384, 128, 1920, 2160, 155, 37.61],
    [529.6, 105, 20_480, 128, 2520, 2520, 163, 54.08],
    [1008, 128, 25_600, 160, 3072, 3072, 163, 102.63],
  ];
  for (const [billions, layers, width, heads, devices, batch, teraflops, seconds] of rows) {
    it(`${billions} B: size to the published digit, FLOP consistent with rate and time (0.2 %)`, () => {
      const model = { layers, width, heads, vocabulary: 51_200, sequenceLength: 2048 };
      expect(Math.abs(parameterCount(model) / 1e9 - billions)).toBeLessThan(0.06);
      const implied = iterationFlop(model, batch) / (devices * teraflops * 1e12);
      expect(Math.abs(implied / seconds - 1)).toBeLessThan(0.002);
    });
  }

  it('175 B on 300 B tokens takes 34 days on 1,024 GPUs, 1 T on 450 B tokens 84 days on 3,072', () => {
    expect(trainingSeconds(175e9, 300e9, 1024, 140e12) / 86_400).toBeCloseTo(33.9, 1);
    expect(trainingSeconds(1.008e12, 450e9, 3072, 163e12) / 86_400).toBeCloseTo(83.9, 0);
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

describe('the pipeline bubble', () => {
  it('shrinks with micro-batches and with interleaving', () => {
    expect(pipelineBubble(4, 8)).toBe(3 / 8);
    expect(pipelineBubble(4, 8, 2)).toBe(3 / 16);
    expect(pipelineBubble(1, 8)).toBe(0);
  });
});
