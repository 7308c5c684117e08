import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultBatchPolicy, type BatchPolicy } from './batch-policy.ts';
import { DynamicBatcher } from './dynamic-batcher.ts';
import { LatencyCurve } from './latency-curve.ts';

function batcherWith(policy: Partial<BatchPolicy>): DynamicBatcher<string> {
  return new DynamicBatcher<string>({ ...defaultBatchPolicy, ...policy });
}

function queue(batcher: DynamicBatcher<string>, items: string, nowMs = 0): void {
  for (const item of items) batcher.enqueue({ item, rows: 1 }, nowMs);
}

describe('DynamicBatcher', () => {
  it('sends at once when a delay is not wanted, and up to the maximum', () => {
    const batcher = batcherWith({ maxBatchSize: 2 });
    queue(batcher, 'abc');
    expect(batcher.next(0, false).batch).toEqual([]);
    expect(batcher.next(0, true).batch).toEqual(['a', 'b']);
    expect(batcher.next(0, true).batch).toEqual(['c']);
  });

  it('waits for company no longer than the delay, less when a preferred size is reached', () => {
    const batcher = batcherWith({ maxQueueDelayMs: 10, preferredBatchSizes: [4] });
    queue(batcher, 'ab');
    expect(batcher.next(0, true)).toMatchObject({ batch: [], wakeAtMs: 10 });
    expect(batcher.next(10, true).batch).toEqual(['a', 'b']);
    queue(batcher, 'abcd', 20);
    expect(batcher.next(20, true).batch).toHaveLength(4);
    queue(batcher, 'abcdef', 30);
    expect(batcher.next(30, true).batch).toEqual([]);
    expect(batcher.next(40, true).batch).toEqual(['a', 'b', 'c', 'd']);
  });

  it('serves the urgent first', () => {
    const batcher = batcherWith({ maxBatchSize: 2, priorityLevels: 2, defaultPriority: 2 });
    queue(batcher, 'ab');
    batcher.enqueue({ item: 'urgent', rows: 1, priority: 1 }, 5);
    expect(batcher.next(5, true).batch).toEqual(['urgent', 'a']);
  });

  it('refuses beyond the queue, and rejects or delays what waited too long', () => {
    const rejecting = batcherWith({
      queue: { maxQueueSize: 2, timeoutMs: 10, timeoutAction: 'reject', allowTimeoutOverride: true },
    });
    queue(rejecting, 'ab');
    expect(rejecting.enqueue({ item: 'c', rows: 1 }, 0)).toEqual({ kind: 'refused', reason: 'queue-full' });
    expect(rejecting.next(0, false).wakeAtMs).toBe(10);
    expect(rejecting.next(10, true)).toMatchObject({ expired: ['a', 'b'], batch: [] });
    rejecting.enqueue({ item: 'short', rows: 1, timeoutMs: 2 }, 20);
    expect(rejecting.next(22, false).expired).toEqual(['short']);

    const delaying = batcherWith({
      maxBatchSize: 1,
      queue: { timeoutMs: 10, timeoutAction: 'delay', allowTimeoutOverride: false },
    });
    queue(delaying, 'a');
    queue(delaying, 'b', 5);
    expect(delaying.next(12, true).batch).toEqual(['b']);
    expect(delaying.next(12, true).batch).toEqual(['a']);
  });

  it('serves each request exactly once, in order within its level, within size, whatever arrives', () => {
    const event = fc.record({
      gapMs: fc.nat(8),
      rows: fc.integer({ min: 1, max: 5 }),
      priority: fc.integer({ min: 1, max: 3 }),
      isFree: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), fc.nat(12), (events, maxQueueDelayMs) => {
        const batcher = new DynamicBatcher<{ id: number; priority: number; rows: number }>({
          ...defaultBatchPolicy,
          maxBatchSize: 6,
          maxQueueDelayMs,
          priorityLevels: 3,
          preferredBatchSizes: [4],
        });
        const served: { id: number; priority: number }[] = [];
        let nowMs = 0;
        const run = (): void => {
          const { batch } = batcher.next(nowMs, true);
          expect(batch.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(6);
          served.push(...batch);
        };
        for (const [id, { gapMs, rows, priority, isFree }] of events.entries()) {
          nowMs += gapMs;
          batcher.enqueue({ item: { id, priority, rows }, rows, priority }, nowMs);
          if (isFree) run();
        }
        for (let guard = 0; batcher.waiting > 0 && guard < 1_000; guard++) {
          nowMs += 1;
          run();
        }
        expect(served.map(({ id }) => id).sort((a, b) => a - b)).toEqual(events.map((_, id) => id));
        for (const level of [1, 2, 3]) {
          const ids = served.filter(({ priority }) => priority === level).map(({ id }) => id);
          expect(ids).toEqual(ids.toSorted((a, b) => a - b));
        }
      }),
      { seed: 19 },
    );
  });
});

describe('LatencyCurve', () => {
  const learn = (costMs: (rows: number) => number): number => {
    const curve = new LatencyCurve();
    let size = 1;
    for (let round = 0; round < 20; round++) {
      size = curve.bestSize(32);
      curve.observe(size, costMs(size));
    }
    return size;
  };

  it('grows a batch as long as rows become cheaper and stops where they do not', () => {
    expect(learn((rows) => 5 + rows * 0.1)).toBe(32);
    expect(learn((rows) => rows * 5)).toBe(1);
    // Weight-bound up to 8 rows, compute-bound after.
    expect(learn((rows) => Math.max(8, rows))).toBe(8);
  });

  it('expects what lies between what it saw', () => {
    const curve = new LatencyCurve();
    expect(curve.expectedMs(4)).toBeUndefined();
    curve.observe(2, 10);
    curve.observe(6, 30);
    expect(curve.expectedMs(4)).toBe(20);
    expect(curve.expectedMs(8)).toBe(40);
  });
});
