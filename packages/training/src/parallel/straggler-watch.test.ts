import { expect, it } from 'vitest';
import { StragglerWatch } from './straggler-watch.ts';

const groups = [
  [0, 1, 2],
  [3, 4, 5],
];
// The second stage has more layers: that alone is no fault of its ranks.
const usual = [100, 110, 100, 400, 420, 400];
const slow = [100, 110, 100, 400, 900, 400];
const run = (watch: StragglerWatch, steps: number, busyMs: readonly number[]): unknown[] =>
  Array.from({ length: steps }, () => watch.judge(busyMs)).filter((answer) => answer !== undefined);

it('a straggler is named after a window of steps, beside ranks of its own stage only', () => {
  const watch = new StragglerWatch(groups);
  expect(run(watch, 16, usual)).toEqual(['none']);
  expect(run(watch, 16, slow)).toEqual(['none']);
  expect(run(watch, 32, slow)).toEqual([
    { rank: 4, slowdown: 2.25 },
    { rank: 4, slowdown: 2.25 },
  ]);
  expect(run(watch, 16, usual)).toEqual(['none']);
  expect(new StragglerWatch([[0]]).judge([5])).toBeUndefined();
});

it('one slow step, one slow window or another rank each time is nobody’s fault', () => {
  const watch = new StragglerWatch(groups);
  expect(run(watch, 15, usual)).toEqual([]);
  expect(watch.judge([600, 110, 100, 400, 420, 400])).toBe('none');
  const other = [100, 110, 100, 900, 420, 400];
  for (const busyMs of [slow, usual, slow, other, slow, other])
    expect(run(watch, 16, busyMs)).toEqual(['none']);
});

it('short steps are watched for two seconds of computing', () => {
  const watch = new StragglerWatch([[0, 1]]);
  expect(run(watch, 99, [10, 20])).toEqual([]);
  expect(run(watch, 1, [10, 20])).toEqual(['none']);
  expect(run(watch, 100, [10, 20])).toEqual([{ rank: 1, slowdown: 2 }]);
});
