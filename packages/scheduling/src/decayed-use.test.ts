import { expect, test } from 'vitest';
import { DecayedUse } from './decayed-use.ts';

const HOUR_MS = 3_600_000;

test('all devices for many half-lives count as all, and fade by half in one', () => {
  const use = new DecayedUse(HOUR_MS);
  use.advance(0, new Map());
  use.advance(40 * HOUR_MS, new Map([['a', 8]]));
  expect(use.parts(8).get('a')).toBeCloseTo(1, 6);
  use.advance(41 * HOUR_MS, new Map());
  expect(use.parts(8).get('a')).toBeCloseTo(0.5, 6);
});

test('in many steps or in one, now or told afterwards: the same', () => {
  const once = new DecayedUse(HOUR_MS);
  once.advance(0, new Map());
  once.advance(HOUR_MS, new Map([['a', 2]]));
  const often = new DecayedUse(HOUR_MS);
  for (let minute = 0; minute <= 60; minute++) often.advance(minute * 60_000, new Map([['a', 2]]));
  const told = new DecayedUse(HOUR_MS);
  told.add('a', 2, 0, HOUR_MS, HOUR_MS);
  for (const use of [often, told]) expect(use.parts(4).get('a')).toBeCloseTo(once.parts(4).get('a')!, 9);
});

test('what is forgotten is no longer named', () => {
  const use = new DecayedUse(1000);
  use.add('a', 1, 0, 1000, 1000);
  use.advance(1000, new Map());
  use.advance(HOUR_MS, new Map());
  expect([...use.parts(1)]).toEqual([]);
});
