import { workerReportSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { type Progress, mergeProgress, mergeSeen } from './live-progress.ts';

const told = (...reports: readonly Record<string, unknown>[]): Progress =>
  reports.reduce<Progress>(
    (before, report) => mergeProgress(before, workerReportSchema.parse({ at: 't', ...report })),
    {},
  );

describe('the newest of what a job said', () => {
  it('keeps the first loss and follows the newest', () => {
    expect(
      told(
        { type: 'progress', step: 1, loss: 6, tokensPerSecond: 10 },
        { type: 'progress', step: 2, loss: 4 },
      ),
    ).toMatchObject({ step: 2, loss: 4, firstLoss: 6, tokensPerSecond: 10 });
  });

  it('takes what was read in a log the same way', () => {
    const before = mergeSeen(undefined, { loss: 6 }, 't');
    expect(mergeSeen(before, { step: 2, loss: 4 }, 'u')).toEqual({ step: 2, loss: 4, firstLoss: 6, at: 'u' });
  });

  it('takes the held-out loss from a metric or from the artifact', () => {
    expect(told({ type: 'metric', step: 1, values: { validationLoss: 3 } }).validationLoss).toBe(3);
    const artifact = { type: 'artifact', kind: 'model', path: '/m', formats: ['gguf'] };
    expect(told({ ...artifact, metrics: { validationLoss: 2 } }).validationLoss).toBe(2);
    expect(told({ ...artifact, metrics: { validationLoss: null } }).validationLoss).toBeUndefined();
    const values = { validationLoss: 3, bigramLoss: 3.5 };
    expect(told({ type: 'metric', step: 1, values })).toMatchObject(values);
  });

  it('knows how full the arena of rank 0 is', () => {
    const values = {
      arenaAllocatedBytes: 1,
      arenaReservedBytes: 4,
      arenaPeakBytes: 3,
      arenaLargestFreeBytes: 2,
    };
    expect(
      told({ type: 'metric', step: 1, values }, { type: 'metric', step: 2, values: { lossScale: 1 } }).memory,
    ).toEqual({ allocatedBytes: 1, reservedBytes: 4, peakBytes: 3, largestFreeBytes: 2 });
  });

  it('knows the newest sample, checkpoint and device', () => {
    expect(
      told(
        { type: 'facts', values: { device: 'cpu (2 threads)' } },
        { type: 'sample', prompt: 'a', text: 'b' },
        { type: 'checkpoint', step: 50, path: '/r/checkpoints/step-50' },
        { type: 'checkpoint', step: 100, path: '/r/checkpoints/step-100' },
      ),
    ).toMatchObject({
      device: 'cpu (2 threads)',
      sample: { prompt: 'a', text: 'b' },
      checkpointStep: 100,
      checkpointPath: '/r/checkpoints/step-100',
    });
  });

  it('loses nothing over a fault', () => {
    expect(
      told(
        { type: 'progress', step: 9, loss: 1 },
        { type: 'fault', code: 'nan_loss', message: 'at step 10' },
      ),
    ).toMatchObject({ step: 9, loss: 1 });
  });
});
