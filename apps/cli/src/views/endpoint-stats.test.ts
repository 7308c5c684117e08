import { describe, expect, it } from 'vitest';
import { describeStats, sparkline } from './endpoint-stats.ts';

describe('the numbers of an endpoint', () => {
  const quiet = {
    inFlight: 0,
    holding: 0,
    queriesPerSecond: 0,
    arrivals: [0, 0],
    revisions: [],
    replicas: [],
  };
  const counts = { requests: 3, errors: 0, promptTokens: 12, cachedTokens: 4, completionTokens: 30 };

  it('say that nobody asked', () => {
    expect(describeStats(quiet)).toContain('nobody has asked');
  });

  it('stand by revision, by replica and over the last minute', () => {
    const text = describeStats({
      ...quiet,
      arrivals: [0, 1, 7],
      revisions: [
        {
          ...counts,
          revision: 'chat-1',
          model: 'lm@1',
          cancelled: 0,
          retries: 0,
          hedges: 0,
          requestMs: { p50: 1.234, p95: 12, p99: 204.25 },
          availability: 0.999,
          goodput: 0.5,
        },
      ],
      replicas: [
        {
          ...counts,
          id: 'rep-1',
          revision: 'chat-1',
          inFlight: 2,
          pendingTokens: 0,
          failures: 0,
          ttftMs: { p50: 3, p95: 4, p99: 5 },
          costPerHour: 0.08,
          costPerThousandRequests: 0.5,
          cpuPercent: 41.26,
          engine: { queued: 3, kvTokensUsed: 64, kvTokensTotal: 512, rows: 9, batches: 2 },
        },
      ],
    });
    expect(text).toContain('last minute ▁▂█ at most 7 a second');
    expect(text).toMatch(/chat-1 +lm@1 +3 +0 +1\.23 \/ 12\.0 \/ 204/);
    expect(text).toMatch(/99\.9 % +50\.0 % +12 \/ 4 \/ 30/);
    expect(text).toMatch(/rep-1 +chat-1 +3 +0 +3\.00 \/ 4\.00 \/ 5\.00 +12 \/ 4 \/ 30 +0\.0800 +0\.500/);
    expect(text).toMatch(/rep-1 +2 +3 +41\.3 % +64 \/ 512 tokens +4\.5/);
  });

  it('of nothing are the lowest bars', () => {
    expect(sparkline([0, 0])).toBe('▁▁');
  });
});
