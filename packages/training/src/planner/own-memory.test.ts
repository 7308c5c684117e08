import { describe, expect, it } from 'vitest';
import { transformerShape } from '../model/transformer-shape.ts';
import { calibrateOwnMemory, ownPeakBytes, ownStateBytes } from './own-memory.ts';

describe('memory of our own runtime', () => {
  const runOf = (depth: number, sequences = 4) => ({
    config: transformerShape({ depth, width: 64, sequenceLength: 64, vocabularySize: 300 }),
    sequences,
    time: 64,
  });

  it('a calibration run predicts itself, and a longer batch takes more of what is not state', () => {
    const measured = { baseBytes: 100e6, peakBytes: 130e6 };
    const calibration = calibrateOwnMemory(runOf(4), 'portable', measured);
    expect(ownPeakBytes(calibration, runOf(4), 'portable')).toBeCloseTo(130e6, 0);
    const beside = ({ sequences }: { sequences: number }): number =>
      ownPeakBytes({ baseBytes: 0, nodeBytes: 0 }, runOf(4, sequences), 'portable') - ownStateBytes(runOf(4));
    expect(beside({ sequences: 32 }) / beside({ sequences: 4 })).toBeGreaterThan(4);
  });
});
