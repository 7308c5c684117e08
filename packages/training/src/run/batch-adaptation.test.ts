import { expect, it } from 'vitest';
import { BatchAdaptation, learningRateFactor } from './batch-adaptation.ts';

const grown = (noise: number | undefined, most: number, steps: number): number => {
  const adaptation = new BatchAdaptation(most);
  for (let step = 0; step < steps; step += 1) adaptation.after(noise, 8);
  return adaptation.state.batches;
};

it('a batch grows to the noise scale and no further, one doubling for each time that is measured', () => {
  expect(grown(15, 64, 200)).toBe(1);
  expect(grown(16, 64, 200)).toBe(2);
  expect(grown(100, 64, 200)).toBe(8);
  expect(grown(100, 64, 19)).toBe(1);
  expect(grown(100, 64, 39)).toBe(2);
  expect(grown(100, 5, 200)).toBe(4);
  expect(grown(undefined, 64, 200)).toBe(1);
});

it('goes on from where it was', () => {
  const first = new BatchAdaptation(64);
  const second = (): BatchAdaptation => new BatchAdaptation(64, first.state);
  for (let step = 0; step < 30; step += 1) first.after(100, 8);
  const resumed = second();
  for (let step = 0; step < 10; step += 1) {
    first.after(100, 8);
    resumed.after(100, 8);
  }
  expect(resumed.state).toEqual(first.state);
  expect(resumed.state.batches).toBe(4);
});

it('steps grow with the batch for SGD, with its root for the others', () => {
  expect([learningRateFactor('sgd', 4), learningRateFactor('adamw', 4)]).toEqual([4, 2]);
});
