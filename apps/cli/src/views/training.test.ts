import type { Job } from '@gantry/contract';
import { describe, expect, test } from 'vitest';
import { arenaText, deviceText, heldOutText, lossText, trainedLines } from './training.ts';

describe('the fall of the loss', () => {
  test('is told with the share that is left', () => {
    expect(lossText({ firstLoss: 6, loss: 3 })).toBe('loss 6.00 → 3.00 (50 % of the first)');
    expect(lossText({ loss: 3 })).toBe('loss 3.00');
    expect(lossText({ loss: null })).toBeUndefined();
  });

  test('on held-out files stands beside a bigram model', () => {
    expect(heldOutText({ validationLoss: 2.4, bigramLoss: 2.9 })).toBe(
      "held-out 2.40, below a bigram model's 2.90",
    );
    expect(heldOutText({ validationLoss: 3, bigramLoss: 2.9 })).toContain('not yet below');
    expect(heldOutText({ validationLoss: 3 })).toBe('held-out 3.00');
    expect(heldOutText({})).toBeUndefined();
  });
});

test('a training ends with what it came to and the way to serve it', () => {
  const job = {
    progress: {
      firstLoss: 6,
      loss: 3,
      validationLoss: 2.4,
      bigramLoss: 2.9,
      checkpointStep: 600,
      device: 'CPU (x)',
    },
    deviceSeconds: 147.6,
    startedAt: '2026-01-01T00:00:00Z',
    endedAt: '2026-01-01T00:01:14Z',
    modelVersion: 'notes@1',
  } as unknown as Job;
  expect(trainedLines(job)).toBe(
    "  ✓ trained   1 min 14 s   loss 6.00 → 3.00 (50 % of the first) · held-out 2.40, below a bigram model's 2.90 · checkpoint 600 · 148 CPU-seconds\n" +
      '  ✓ model notes@1   serve it: gantry endpoint create chat --model notes@1',
  );
  const { modelVersion: _none, ...unregistered } = job;
  expect(trainedLines(unregistered)).toContain('--register NAME');
  const prepared = {
    ...unregistered,
    spec: { train: { recipe: 'prepare', into: 'tokens' } },
  } as unknown as Job;
  expect(trainedLines(prepared)).toBe(
    '  ✓ prepared   1 min 14 s   learn from it: data: [{prepared: tokens}]',
  );
});

test('the memory of its accelerators is told in one line, with a peak where the driver tells whose it is', () => {
  const GB = 1000 ** 3;
  const memory = {
    usedBytes: 60 * GB,
    totalBytes: 160 * GB,
    reservedBytes: 1 * GB,
    largestFreeBytes: 40 * GB,
  };
  expect(deviceText(memory)).toBe('60 GB in use of 160 GB, 1.0 GB held by the driver, largest free 40 GB');
  expect(deviceText({ ...memory, peakBytes: 70 * GB })).toContain('of 160 GB, peak 70 GB,');
});

test('the arena of rank 0 is told in one line', () => {
  const MB = 1000 ** 2;
  const memory = {
    allocatedBytes: 6 * MB,
    reservedBytes: 12 * MB,
    peakBytes: 8 * MB,
    largestFreeBytes: 4 * MB,
  };
  expect(arenaText(memory)).toBe(
    'arena 6.0 MB in use of 12 MB reserved, peak 8.0 MB, largest free run 4.0 MB',
  );
});
