import { describe, expect, it } from 'vitest';
import { LossWatch } from './loss-watch.ts';

describe('the watch over the loss', () => {
  it('names what is no number, and whether the loss or only its gradient is none', () => {
    const watch = new LossWatch({ spikeFactor: undefined });
    expect(watch.judge(Number.NaN, 1)).toEqual({ kind: 'not a number', of: 'loss' });
    expect(watch.judge(2, Number.POSITIVE_INFINITY)).toEqual({ kind: 'not a number', of: 'gradient' });
    expect(watch.judge(1e9, 1)).toEqual({ kind: 'good' });
  });

  it('holds a loss against the median of the steps before, which a spike does not move', () => {
    const watch = new LossWatch({ spikeFactor: 1.5 });
    expect(watch.judge(50, 1)).toEqual({ kind: 'good' });
    for (let step = 0; step < 30; step += 1) expect(watch.judge(4 - step / 100, 1).kind).toBe('good');
    for (let again = 0; again < 40; again += 1) expect(watch.judge(7, 1).kind).toBe('spike');
    expect(watch.judge(5, 1).kind).toBe('good');
  });
});
