import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitByWeight, stickyPoint } from './traffic-split.ts';

describe('traffic split', () => {
  it('gives each arm its share and an arm of weight zero nothing', () => {
    const arms = [
      { id: 'a', weight: 90 },
      { id: 'b', weight: 0 },
      { id: 'c', weight: 10 },
    ];
    const counts: Record<string, number> = {};
    for (let i = 0; i < 1_000; i++) {
      const id = splitByWeight(arms, i / 1_000)?.id ?? 'none';
      counts[id] = (counts[id] ?? 0) + 1;
    }
    expect(counts).toEqual({ a: 900, c: 100 });
    expect(splitByWeight([{ weight: 0 }], 0.5)).toBeUndefined();
  });

  it('moves nobody back when the last arm grows', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 0, max: 50 }),
        (user, canary, more) => {
          const arm = (weight: number) =>
            splitByWeight(
              [
                { id: 'old', weight: 100 - weight },
                { id: 'new', weight },
              ],
              stickyPoint(user),
            )?.id;
          if (arm(canary) === 'new') expect(arm(canary + more > 100 ? 100 : canary + more)).toBe('new');
        },
      ),
      { seed: 3 },
    );
  });

  it('spreads users evenly', () => {
    let below = 0;
    for (let user = 0; user < 10_000; user++) if (stickyPoint(`user-${user}`) < 0.1) below++;
    expect(below).toBeGreaterThan(900);
    expect(below).toBeLessThan(1_100);
  });
});
