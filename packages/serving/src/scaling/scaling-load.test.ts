import { describe, expect, it } from 'vitest';
import { replicasWorth, type ObservedLoad } from './scaling-load.ts';

const load: ObservedLoad = { concurrency: 8, queue: 3, queriesPerSecond: 40, tokensPerSecond: 900 };

describe('replicasWorth', () => {
  it('follows the busiest target', () => {
    expect(replicasWorth({ concurrency: 4 }, load, 1)).toEqual({ replicas: 2, because: 'concurrency' });
    expect(replicasWorth({ concurrency: 4, queriesPerSecond: 10 }, load, 1)).toEqual({
      replicas: 4,
      because: 'queriesPerSecond',
    });
    expect(replicasWorth({ queue: 1, tokensPerSecond: 1_000 }, load, 1)).toEqual({
      replicas: 3,
      because: 'queue',
    });
  });

  it.each(['cpuPercent', 'memoryPercent', 'devicePercent'] as const)(
    'holds %s near its target, within a tenth of it, for as long as somebody asks',
    (name) => {
      const at = (percent: number, queriesPerSecond = 1): number =>
        replicasWorth({ [name]: 60 }, { ...load, queriesPerSecond, [name]: percent }, 4).replicas;
      expect([90, 63, 57, 30].map((percent) => at(percent))).toEqual([6, 4, 4, 2]);
      expect(at(90, 0)).toBe(0);
      expect(replicasWorth({ [name]: 60 }, load, 4)).toEqual({ replicas: 0, because: undefined });
    },
  );

  it('asks for more by as much as a latency target is missed, at most double, and for nothing when it is met', () => {
    expect(replicasWorth({ p99Ms: 100 }, { ...load, p99Ms: 150 }, 4).replicas).toBe(6);
    expect(replicasWorth({ p99Ms: 100 }, { ...load, p99Ms: 5_000 }, 4).replicas).toBe(8);
    expect(replicasWorth({ meanMs: 100 }, { ...load, meanMs: 90 }, 4).replicas).toBe(0);
    expect(replicasWorth({ p99Ms: 100 }, load, 4)).toEqual({ replicas: 0, because: undefined });
  });
});
