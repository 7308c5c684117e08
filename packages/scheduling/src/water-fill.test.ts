import fc from 'fast-check';
import { expect, test } from 'vitest';
import { waterFill } from './water-fill.ts';

test('a worked example: what is deserved first, the rest by weight, and no more than asked', () => {
  const claimants = [
    { asked: 10, deserved: 4, weight: 1 },
    { asked: 3, deserved: 0, weight: 3 },
    { asked: 20, deserved: 2, weight: 1 },
  ];
  // 14 left over: 3 is all the second wants, the other 11 go half and half… of which the first takes only 5.5.
  expect(waterFill(20, claimants)).toEqual([9.5, 3, 7.5]);
  expect(waterFill(3, [{ asked: 5, deserved: 0, weight: 0 }])).toEqual([0]);
});

test('nobody gets more than asked, everybody what is deserved, and nothing is left while somebody asks', () => {
  const amount = fc.integer({ min: 0, max: 40 });
  const claimant = fc.record({
    asked: amount,
    deserved: fc.integer({ min: 0, max: 10 }),
    weight: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 60, max: 200 }),
      fc.array(claimant, { maxLength: 6 }),
      (total, claimants) => {
        const given = waterFill(total, claimants);
        for (const [at, { asked, deserved }] of claimants.entries()) {
          expect(given[at]!).toBeLessThanOrEqual(asked + 1e-9);
          expect(given[at]!).toBeGreaterThanOrEqual(Math.min(asked, deserved));
        }
        const sum = given.reduce((all, each) => all + each, 0);
        const wanted = claimants.reduce((all, { asked }) => all + asked, 0);
        expect(sum).toBeCloseTo(Math.min(total, wanted), 6);
      },
    ),
    { seed: 5, numRuns: 300 },
  );
});
