import { describe, expect, it } from 'vitest';
import { adamWDefaults, adamWUpdate, clipFactor, gradientNorm } from './adamw.ts';
import { learningRateAt } from './learning-rate.ts';

describe('AdamW', () => {
  it('gives the textbook numbers: two steps by hand, with bias correction and decay beside the gradient', () => {
    const settings = { ...adamWDefaults, beta2: 0.99, weightDecay: 0.1 };
    const state = {
      parameters: Float32Array.of(1, 1),
      gradients: Float32Array.of(0.5, 0.5),
      first: new Float32Array(2),
      second: new Float32Array(2),
    };
    let expected = 1;
    let m = 0;
    let v = 0;
    for (let step = 1; step <= 2; step += 1) {
      adamWUpdate(state, { from: 0, to: 1, decays: true }, settings, {
        step,
        learningRate: 0.01,
        gradientScale: 1,
      });
      m = 0.9 * m + 0.1 * 0.5;
      v = 0.99 * v + 0.01 * 0.25;
      expected -= 0.01 * 0.1 * expected;
      expected -= (0.01 * (m / (1 - 0.9 ** step))) / (Math.sqrt(v / (1 - 0.99 ** step)) + 1e-8);
    }
    expect(state.parameters[0]).toBeCloseTo(expected, 6);
    expect(state.parameters[1]).toBe(1);
  });

  it('does not decay what must not', () => {
    const state = {
      parameters: Float32Array.of(1),
      gradients: new Float32Array(1),
      first: new Float32Array(1),
      second: new Float32Array(1),
    };
    adamWUpdate(state, { from: 0, to: 1, decays: false }, adamWDefaults, {
      step: 1,
      learningRate: 0.1,
      gradientScale: 1,
    });
    expect(state.parameters[0]).toBe(1);
  });

  it('clips by the norm of the whole gradient, and only downwards', () => {
    expect(gradientNorm(Float32Array.of(3, 4, 99), 2)).toBe(5);
    expect(clipFactor(5, 1)).toBe(0.2);
    expect(clipFactor(0.5, 1)).toBe(1);
  });
});

describe('the learning rate', () => {
  const plan = { peak: 1, warmupSteps: 10, totalSteps: 110, finalFraction: 0.1 };
  it('rises straight to the peak, then falls along half a cosine to its floor', () => {
    expect(learningRateAt(1, plan)).toBeCloseTo(0.1);
    expect(learningRateAt(10, plan)).toBe(1);
    expect(learningRateAt(60, plan)).toBeCloseTo(0.55);
    expect(learningRateAt(110, plan)).toBeCloseTo(0.1);
    expect(learningRateAt(500, plan)).toBeCloseTo(0.1);
  });
});
