import { stripVTControlCharacters } from 'node:util';
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
    drift: [],
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
          engine: {
            queued: 3,
            kvTokensUsed: 64,
            kvTokensTotal: 512,
            rows: 9,
            batches: 2,
            rowsWorthJoining: 8,
            waste: 0.1,
          },
        },
      ],
      drift: [
        {
          revision: 'chat-1',
          window: 500,
          windows: 2,
          filled: 17,
          partlyRead: 3,
          pThreshold: 0.0005,
          features: [
            {
              feature: 'input.x.mean',
              hasDrifted: true,
              pValue: 1e-9,
              decidedBy: 'psi',
              threshold: 0.2,
              figures: { psi: 0.87, ks: 0.5 },
            },
          ],
          featuresLeftOut: 4,
        },
      ],
    });
    expect(text).toContain('drift of chat-1: 2 windows of 500 requests compared   3 requests partly read');
    expect(stripVTControlCharacters(text)).toMatch(
      /input\.x\.mean +drifted +psi 0\.87 of 0\.2 +1\.0e-9 +ks 0\.50\n {2}4 more/,
    );
    expect(text).toContain('last minute ▁▂█ at most 7 a second');
    expect(text).toMatch(/chat-1 +lm@1 +3 +0 +1\.23 \/ 12\.0 \/ 204/);
    expect(text).toMatch(/99\.9 % +50\.0 % +12 \/ 4 \/ 30/);
    expect(text).toMatch(/rep-1 +chat-1 +3 +0 +3\.00 \/ 4\.00 \/ 5\.00 +12 \/ 4 \/ 30 +0\.0800 +0\.500/);
    expect(text).toMatch(/rep-1 +2 +3 +41\.3 % +64 \/ 512 tokens +4\.5 of 8 rows, 10\.0 % padding/);
  });

  it('of nothing are the lowest bars', () => {
    expect(sparkline([0, 0])).toBe('▁▁');
  });
});
