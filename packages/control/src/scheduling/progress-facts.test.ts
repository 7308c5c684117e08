import { expect, test } from 'vitest';
import { progressFacts } from './progress-facts.ts';

const at = new Date(1_000_000).toISOString();

test('a job that has said nothing of its end says nothing to the planner', () => {
  expect(progressFacts(undefined)).toBeNull();
  expect(progressFacts({ at, step: 5 })).toBeNull();
});

test('the end comes from the time left, the age of the checkpoint from the steps since', () => {
  expect(progressFacts({ at, etaSeconds: 60 })).toEqual({ endMs: 1_060_000 });
  expect(progressFacts({ at, etaSeconds: 60, step: 40, totalSteps: 100, checkpointStep: 30 })).toEqual({
    endMs: 1_060_000,
    savedAtMs: 990_000,
  });
  expect(progressFacts({ at, etaSeconds: 0, step: 100, totalSteps: 100, checkpointStep: 90 })).toEqual({
    endMs: 1_000_000,
    savedAtMs: 1_000_000,
  });
});
