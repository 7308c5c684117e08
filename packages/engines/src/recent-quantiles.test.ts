import { expect, it } from 'vitest';
import { createRecentQuantiles } from './recent-quantiles.ts';

it('summarises the most recent observations only', () => {
  const quantiles = createRecentQuantiles();
  expect(quantiles.summary()).toEqual({ count: 0, p50: 0, p99: 0 });
  for (let value = 0; value < 1_000; value += 1) quantiles.record(value);
  expect(quantiles.summary()).toEqual({ count: 1_000, p50: 500, p99: 990 });
  for (let index = 0; index < 1_024; index += 1) quantiles.record(7);
  expect(quantiles.summary()).toEqual({ count: 2_024, p50: 7, p99: 7 });
});
