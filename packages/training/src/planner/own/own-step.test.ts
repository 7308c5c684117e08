import { describe, expect, it } from 'vitest';
import { transformerShape } from '../../model/index.ts';
import { oneRank, type OwnLayout, type OwnRun } from './own-run.ts';
import { ownStep, ownStepFlop, passBytes, type OwnStepCalibration } from './own-step.ts';

const runOf = (depth: number, width: number, time = 64, layout: Partial<OwnLayout> = {}): OwnRun => ({
  config: transformerShape({ depth, width, sequenceLength: time, vocabularySize: 512 }),
  sequences: 4,
  time,
  layout: { ...oneRank, ...layout },
  dialect: 'portable',
});

const calibration: OwnStepCalibration = {
  flopPerSecond: { alone: 1e11, together: 1e11 },
  passSecondsPerByte: 1e-10,
  optimiserSecondsPerParameter: 1e-9,
  exchange: { startSeconds: 1e-4, bytesPerSecond: 1e9 },
  cores: 4,
};

describe('a step of our own runtime', () => {
  it('on one rank is its products, its passes over memory and its optimiser', () => {
    const run = runOf(4, 192);
    const { compute, optimiser, total } = ownStep(calibration, run);
    expect(compute).toBeCloseTo(ownStepFlop(run) / 1e11 + 1e-10 * passBytes(run), 12);
    expect(total).toBeCloseTo(compute + optimiser, 12);
  });

  it('twice the layers is nearly twice the work, twice the length is more than twice', () => {
    const once = ownStepFlop(runOf(4, 192));
    expect(ownStepFlop(runOf(8, 192)) / once).toBeGreaterThan(1.8);
    expect(ownStepFlop(runOf(4, 192, 128)) / once).toBeGreaterThan(2);
  });

  it('sends as many bytes for ZeRO 1 as without, half as much again for ZeRO 3', () => {
    const data = (zero: 0 | 1 | 3): number =>
      ownStep(
        { ...calibration, exchange: { startSeconds: 0, bytesPerSecond: 1e9 } },
        runOf(4, 192, 64, { data: 2, zero }),
      ).data;
    expect(data(1)).toBeCloseTo(data(0), 12);
    expect(data(3) / data(0)).toBeCloseTo(1.5, 6);
  });

  it('idles (p − 1)/v of a micro-batch in a pipeline, and all the time of the others when it is naive', () => {
    const bubble = (layout: Partial<OwnLayout>): number =>
      ownStep(calibration, runOf(4, 192, 64, { pipeline: 2, microBatches: 4, ...layout })).bubble;
    expect(bubble({ schedule: 'naive' }) / bubble({})).toBeCloseTo(4, 6);
    expect(bubble({ schedule: 'interleaved', chunks: 2 })).toBeLessThan(bubble({}));
  });

  it('takes turns when there are more ranks than cores', () => {
    const compute = (cores: number): number =>
      ownStep({ ...calibration, cores }, runOf(4, 192, 64, { data: 4 })).compute;
    expect(compute(2) / compute(4)).toBeCloseTo(2, 9);
  });
});
