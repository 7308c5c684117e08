import { describe, expect, it } from 'vitest';
import { transformerShape, parameterLayout } from '../model/index.ts';
import { calibrateOwnStep, ownParameters, ownStepFlop, ownStepSeconds } from './own-step.ts';

const runOf = (depth: number, width: number, time = 64) => ({
  config: transformerShape({ depth, width, sequenceLength: time, vocabularySize: 512 }),
  sequences: 4,
  time,
});

describe('our own runtime', () => {
  it.each([
    [1, 64],
    [4, 192],
    [6, 384],
  ])('%i layers of %i: as many parameters as its buffers have', (depth, width) => {
    const { config } = runOf(depth, width);
    expect(ownParameters(config)).toBe(parameterLayout(config).length);
  });

  it('a calibration run predicts itself', () => {
    const run = runOf(4, 192);
    const measured = { computeSeconds: 0.5, optimiserSeconds: 0.01 };
    const found = ownStepSeconds(calibrateOwnStep(run, measured), run);
    expect(found.computeSeconds).toBeCloseTo(0.5, 12);
    expect(found.optimiserSeconds).toBeCloseTo(0.01, 12);
  });

  it('twice the layers is nearly twice the work, twice the length is more than twice', () => {
    const once = ownStepFlop(runOf(4, 192));
    expect(ownStepFlop(runOf(8, 192)) / once).toBeGreaterThan(1.8);
    expect(ownStepFlop(runOf(4, 192, 128)) / once).toBeGreaterThan(2);
  });
});
