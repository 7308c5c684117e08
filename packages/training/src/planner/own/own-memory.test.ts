import { describe, expect, it } from 'vitest';
import { parameterLayout, transformerShape } from '../../model/index.ts';
import { calibrateOwnMemory, ownMemory, type OwnMemory } from './own-memory.ts';
import { oneRank, type OwnLayout, type OwnRun } from './own-run.ts';

const runOf = (depth: number, sequences = 4, layout: Partial<OwnLayout> = {}): OwnRun => ({
  config: transformerShape({ depth, width: 64, sequenceLength: 64, vocabularySize: 300 }),
  sequences,
  time: 64,
  layout: { ...oneRank, ...layout },
  dialect: 'portable',
});

const memoryOf = (layout: Partial<OwnLayout>, sequences = 4): OwnMemory =>
  ownMemory({ baseBytes: 0, nodeBytes: 0 }, runOf(4, sequences, layout));

const parameterBytes = 4 * parameterLayout(runOf(4).config).length;

describe('memory of our own runtime', () => {
  it('a calibration run predicts itself, and a longer batch takes more of what is not state', () => {
    const calibration = calibrateOwnMemory([{ run: runOf(4), baseBytes: 100e6, peakBytes: 130e6 }]);
    expect(ownMemory(calibration, runOf(4)).total).toBeCloseTo(130e6, 0);
    const beside = (sequences: number): number => {
      const { workspace, buffers } = memoryOf({}, sequences);
      return workspace + buffers;
    };
    expect(beside(32) / beside(4)).toBeGreaterThan(4);
  });

  it('of several calibration runs the middle counts', () => {
    const run = runOf(4);
    const measured = [100e6, 103e6, 180e6].map((baseBytes) => ({
      run,
      baseBytes,
      peakBytes: baseBytes + 30e6,
    }));
    const { baseBytes, nodeBytes } = calibrateOwnMemory(measured);
    expect(baseBytes).toBe(103e6);
    expect(ownMemory({ baseBytes: 0, nodeBytes }, run).total).toBeCloseTo(30e6, 0);
  });

  it.each([
    ['adamw', 2],
    ['sgd', 1],
  ] as const)('%s keeps %i copies beside the parameters', (optimizer, copies) => {
    const { parameters, optimiser } = memoryOf({ optimizer });
    expect(parameters).toBeGreaterThanOrEqual(parameterBytes);
    expect(optimiser).toBe(copies * parameters);
  });

  it('Muon keeps a momentum of everything, and a second moment of what is no matrix of a layer', () => {
    const { parameters, optimiser } = memoryOf({ optimizer: 'muon' });
    const { layers, width, hidden, kvHeads, headWidth } = runOf(4).config;
    const matrices = layers * (2 * width * width + 2 * width * kvHeads * headWidth + 3 * width * hidden);
    expect(optimiser).toBe(2 * parameters - 4 * matrices);
  });

  it('Adafactor keeps rows and columns instead', () => {
    const { parameters, optimiser } = memoryOf({ optimizer: 'adafactor' });
    expect(optimiser).toBeLessThan(parameters / 10);
  });

  it.each([1, 2, 3] as const)('ZeRO %i halves on two ranks what it shares', (zero) => {
    const { parameters, gradients, optimiser } = memoryOf({ data: 2, zero });
    const share = (from: number): number => (zero >= from ? 0.5 : 1);
    // Parts are cut at cache lines.
    expect(parameters / parameterBytes).toBeCloseTo(share(3), 1);
    expect(gradients / parameterBytes).toBeCloseTo(share(2), 1);
    expect(optimiser / (2 * parameterBytes)).toBeCloseTo(share(1), 1);
  });

  it('in pure fp32: 16 → 8 + 8/N, 4 + 12/N, 16/N', () => {
    const bytes = ([0, 1, 2, 3] as const).map((zero) => {
      const { parameters, gradients, optimiser } = memoryOf({ data: 8, zero });
      return (4 * (parameters + gradients + optimiser)) / parameterBytes;
    });
    // Parts are cut at cache lines.
    for (const [zero, expected] of [16, 9, 5.5, 2].entries()) expect(bytes[zero]).toBeCloseTo(expected, 1);
  });

  it('recompute keeps the rows between layers only; more micro-batches in flight keep more', () => {
    const kept = (layout: Partial<OwnLayout>): number => memoryOf(layout).activations;
    const pipeline = { pipeline: 2, microBatches: 4 } as const;
    expect(kept({ recompute: 'layer' })).toBe(4 * 4 * 64 * 64 * 5);
    expect(kept({ ...pipeline, schedule: 'gpipe' }) / kept(pipeline)).toBeCloseTo(2, 6);
  });

  it('tensor ranks have half of what is cut', () => {
    const { parameters } = memoryOf({ tensor: 2 });
    expect(parameters).toBeLessThan(0.65 * parameterBytes);
  });
});
