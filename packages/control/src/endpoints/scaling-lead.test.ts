import { expect, it } from 'vitest';
import { scalingLeadSeconds } from './scaling-lead.ts';

const serving = (...seconds: readonly number[]) =>
  seconds.map((each) => ({
    status: {
      restarts: 0,
      coldStart: { scheduleMs: 100, fetchMs: 400, loadMs: each * 1_000 - 600, warmMs: 100 },
    },
  }));

it.each([
  ['as replicas usually take where none has started yet', [], 10],
  ['as far as a cold start took', [42], 42],
  ['as the middle of several took', [30, 600, 40], 40],
  ['not less than a few seconds', [1], 5],
  ['not as long as one waited in a queue', [7_200], 900],
])('a forecast looks ahead %s', (_what, seconds, lead) => {
  expect(scalingLeadSeconds(serving(...seconds))).toBe(lead);
});
