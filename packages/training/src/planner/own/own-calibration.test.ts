import { describe, expect, it } from 'vitest';
import {
  calibrateOwn,
  narrowRun,
  readOwnCalibration,
  referenceRun,
  type MeasuredRank,
} from './own-calibration.ts';
import { ownStep, ownStepFlop, passBytes } from './own-step.ts';

const flopSeconds = 1e-11;
const passSeconds = 2e-10;

/** A machine of which both rates are known. */
function measured(run: ReturnType<typeof referenceRun>, slower = 1): MeasuredRank {
  const own = { ...run, dialect: 'portable' } as const;
  const compute = slower * (flopSeconds * ownStepFlop(own) + passSeconds * passBytes(own));
  return {
    dialect: 'portable',
    baseBytes: 140e6,
    peakBytes: 900e6,
    seconds: { compute, exchange: 0.05, update: 0.01, smallSum: 1e-4 },
  };
}

describe('a calibration', () => {
  const calibration = calibrateOwn(
    measured(referenceRun(1)),
    measured(narrowRun()),
    [measured(referenceRun(1), 1.25), measured(referenceRun(1), 1.2)],
    { name: 'a test', cores: 2, memoryBytes: 16e9 },
  );

  it('tells products from passes over memory', () => {
    expect(1 / calibration.step.flopPerSecond.alone / flopSeconds).toBeCloseTo(1, 6);
    expect(calibration.step.passSecondsPerByte / passSeconds).toBeCloseTo(1, 6);
  });

  it('predicts itself, alone and beside others', () => {
    const run = { ...referenceRun(1), dialect: 'portable' } as const;
    const alone = measured(run).seconds.compute;
    expect(ownStep(calibration.step, run).compute / alone).toBeCloseTo(1, 9);
    const together = { ...referenceRun(2), dialect: 'portable' } as const;
    expect(ownStep(calibration.step, together).compute / alone).toBeCloseTo(1.25, 9);
  });

  it('is read back as it was written, and nothing else is', () => {
    expect(readOwnCalibration('file', JSON.parse(JSON.stringify(calibration)))).toEqual(calibration);
    expect(() => readOwnCalibration('file', { ...calibration, memory: {} })).toThrow(/is no calibration/);
    expect(() => readOwnCalibration('file', null)).toThrow(/is no calibration/);
  });
});
