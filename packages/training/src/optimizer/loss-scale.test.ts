import { expect, it } from 'vitest';
import { afterGoodStep, afterOverflow, lossScaleStart, type LossScaleState } from './loss-scale.ts';

it('the loss scale doubles after 2,000 good steps, halves at an overflow, and ends at one', () => {
  let state: LossScaleState = lossScaleStart;
  for (let step = 0; step < 1999; step += 1) state = afterGoodStep(state);
  expect(state).toEqual({ scale: 65_536, goodSteps: 1999 });
  state = afterGoodStep(state);
  expect(state).toEqual({ scale: 131_072, goodSteps: 0 });
  for (let halvings = 0; halvings < 17; halvings += 1) {
    const next = afterOverflow(afterGoodStep(state));
    expect(next).toEqual({ scale: state.scale / 2, goodSteps: 0 });
    state = next as LossScaleState;
  }
  expect(afterOverflow(state)).toBeUndefined();
});
