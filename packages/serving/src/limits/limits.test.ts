import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget, type BudgetHold } from './budget.ts';
import { SlidingWindow } from './sliding-window.ts';
import { TokenBucket } from './token-bucket.ts';

const gaps = fc.array(fc.record({ gapMs: fc.nat(400), amount: fc.integer({ min: 1, max: 5 }) }), {
  maxLength: 200,
});

describe('TokenBucket', () => {
  it('never lets more through than the burst and the rate allow', () => {
    fc.assert(
      fc.property(gaps, (arrivals) => {
        const bucket = new TokenBucket({ ratePerSecond: 10, capacity: 20 });
        let nowMs = 0;
        let taken = 0;
        for (const { gapMs, amount } of arrivals) {
          nowMs += gapMs;
          if (bucket.take(nowMs, amount) === 0) taken += amount;
          expect(taken).toBeLessThanOrEqual(20 + (nowMs / 1_000) * 10 + 1e-6);
        }
      }),
      { seed: 5 },
    );
  });

  it('says when to come back, and that is neither too early nor never', () => {
    const bucket = new TokenBucket({ ratePerSecond: 2, capacity: 4 });
    expect(bucket.take(0, 4)).toBe(0);
    expect(bucket.take(0, 1)).toBe(500);
    expect(bucket.take(500, 1)).toBe(0);
    expect(bucket.take(500, 5)).toBeUndefined();
  });

  it('is not fooled by a clock that jumps back', () => {
    const bucket = new TokenBucket({ ratePerSecond: 1, capacity: 1 });
    expect(bucket.take(10_000)).toBe(0);
    expect(bucket.take(0)).not.toBe(0);
    expect(bucket.take(10_500)).not.toBe(0);
    expect(bucket.take(11_000)).toBe(0);
  });
});

describe('SlidingWindow', () => {
  it('lets through no more than the limit a window on an even load, and recovers after the time it names', () => {
    const window = new SlidingWindow({ limit: 60, windowMs: 60_000 });
    let nowMs = 0;
    let taken = 0;
    for (; nowMs < 600_000; nowMs += 100) if (window.take(nowMs) === 0) taken++;
    expect(taken).toBeLessThanOrEqual(660);
    expect(taken).toBeGreaterThan(540);
    const waitMs = window.take(nowMs, 10) ?? 0;
    expect(waitMs).toBeGreaterThan(0);
    expect(window.take(nowMs + waitMs, 10)).toBe(0);
  });

  it('names a time after which it fits, whatever came before', () => {
    fc.assert(
      fc.property(gaps, (arrivals) => {
        const window = new SlidingWindow({ limit: 8, windowMs: 1_000 });
        let nowMs = 0;
        for (const { gapMs, amount } of arrivals) {
          nowMs += gapMs;
          const waitMs = window.take(nowMs, amount) ?? 0;
          if (waitMs === 0) continue;
          nowMs += waitMs;
          expect(window.take(nowMs, amount)).toBe(0);
        }
      }),
      { seed: 9 },
    );
  });
});

describe('Budget', () => {
  it('is never overspent by parallel requests that keep to their reservation', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ worst: fc.nat(30), share: fc.nat(100), settleFirst: fc.boolean() }), {
          maxLength: 100,
        }),
        (requests) => {
          const budget = new Budget({ limit: 100 });
          const holds: { hold: BudgetHold; cost: number }[] = [];
          for (const { worst, share, settleFirst } of requests) {
            if (settleFirst) {
              const first = holds.shift();
              first?.hold.settle(first.cost);
            }
            const hold = budget.reserve(worst);
            if (hold !== undefined) holds.push({ hold, cost: (worst * share) / 100 });
            expect(budget.spent + budget.reserved).toBeLessThanOrEqual(100 + 1e-9);
          }
          for (const { hold, cost } of holds) hold.settle(cost);
          expect(budget.reserved).toBeCloseTo(0);
          expect(budget.spent).toBeLessThanOrEqual(100 + 1e-9);
        },
      ),
      { seed: 13 },
    );
  });

  it('counts a settlement once and takes the word of the ledger', () => {
    const budget = new Budget({ limit: 10 });
    const hold = budget.reserve(6);
    expect(budget.reserve(6)).toBeUndefined();
    hold?.settle(2);
    hold?.settle(2);
    expect(budget.available).toBe(8);
    budget.reconcile({ limit: 10, spent: 9 });
    expect(budget.reserve(2)).toBeUndefined();
  });
});
