/** Axes count in steps that people count in, and hold every value. */
import { expect, test } from 'vitest';
import { timeSteps, timeTicks, valueAxis } from './axes.ts';

const format = (value: number): string => String(value);

test.each([
  [309, undefined, [0, 100, 200, 300, 400]],
  [5, undefined, [0, 1, 2, 3, 4, 5]],
  [0.037, undefined, [0, 0.01, 0.02, 0.03, 0.04]],
  [20_160, timeSteps, [0, 7200, 14_400, 21_600]],
])('up to %d by %j', (largest, steps, wanted) => {
  const { ticks, most } = valueAxis(largest, { format, ...(steps === undefined ? {} : { steps }) });
  for (const [at, { value }] of ticks.entries()) expect(value).toBeCloseTo(wanted[at]!);
  expect(ticks).toHaveLength(wanted.length);
  expect(most).toBeGreaterThanOrEqual(largest);
});

test('nothing at all still has an axis', () => {
  expect(valueAxis(0, { format }).most).toBeGreaterThan(0);
});

test.each([
  [50, ['0', '5 s', '10 s', '15 s', '20 s', '25 s', '30 s', '35 s', '40 s', '45 s', '50 s']],
  [7 * 3600, ['0', '1 h', '2 h', '3 h', '4 h', '5 h', '6 h', '7 h']],
  [36 * 86_400, ['0', '5 d', '10 d', '15 d', '20 d', '25 d', '30 d', '35 d']],
])('%d seconds', (seconds, wanted) => {
  expect(timeTicks(seconds).map(({ text }) => text)).toEqual(wanted);
});
