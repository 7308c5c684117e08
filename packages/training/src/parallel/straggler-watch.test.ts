import { expect, it } from 'vitest';
import { StragglerWatch } from './straggler-watch.ts';

it('a straggler is named after a window of steps, beside ranks of its own stage only', () => {
  const watch = new StragglerWatch([
    [0, 1, 2],
    [3, 4, 5],
  ]);
  // The second stage has more layers: that alone is no fault of its ranks.
  const usual = [10, 11, 10, 40, 42, 40];
  for (let step = 0; step < 15; step += 1) expect(watch.judge(usual)).toBeUndefined();
  expect(watch.judge(usual)).toBe('none');
  for (let step = 0; step < 15; step += 1) expect(watch.judge([10, 11, 10, 40, 90, 40])).toBeUndefined();
  expect(watch.judge([10, 11, 10, 40, 90, 40])).toEqual({ rank: 4, slowdown: 2.25 });
  // One slow step in a window is nobody's.
  for (let step = 0; step < 15; step += 1) expect(watch.judge(usual)).toBeUndefined();
  expect(watch.judge([60, 11, 10, 40, 42, 40])).toBe('none');
  expect(new StragglerWatch([[0]]).judge([5])).toBeUndefined();
});
