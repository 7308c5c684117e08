import { describe, expect, it } from 'vitest';
import { adamWDefaults, adamWUpdate, clipFactor, gradientNorm } from './adamw.ts';
import { learningRateAt, learningRateSchedules, type LearningRateSchedule } from './learning-rate.ts';

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
  const plan = { peak: 1, warmupSteps: 10, totalSteps: 110 };
  const at = (schedule: LearningRateSchedule, step: number): number =>
    learningRateAt(step, { ...plan, schedule });
  it('rises straight to the peak, whatever follows', () => {
    for (const schedule of learningRateSchedules) {
      expect(at(schedule, 1)).toBeCloseTo(0.1);
      expect(at(schedule, 10)).toBeCloseTo(1);
    }
  });

  // At the middle, where the tail begins, at the last step, and beyond it.
  const falls: Readonly<Record<LearningRateSchedule, readonly [number, number, number, number]>> = {
    cosine: [0.55, 0.18594, 0.1, 0.1],
    linear: [51 / 101, 21 / 101, 1 / 101, 0],
    constant: [1, 1, 1, 1],
    stable: [1, 1, 5 / 101, 0],
    'inverse-root': [Math.sqrt(10 / 60), Math.sqrt(10 / 90), Math.sqrt(10 / 110), Math.sqrt(10 / 500)],
  };
  for (const [schedule, [middle, late, last, beyond]] of Object.entries(falls))
    it(`falls by the ${schedule} schedule to its floor`, () => {
      const name = schedule as LearningRateSchedule;
      expect(at(name, 60)).toBeCloseTo(middle, 4);
      expect(at(name, 90)).toBeCloseTo(late, 4);
      expect(at(name, 110)).toBeCloseTo(last, 4);
      expect(at(name, 500)).toBeCloseTo(beyond, 4);
    });
});
