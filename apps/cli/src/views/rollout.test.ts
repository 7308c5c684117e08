import { describe, expect, it } from 'vitest';
import { scaleBody } from '../commands/endpoint-rollout.ts';
import { describeRollout, describeStats } from './rollout.ts';

const endpoint = { name: 'chat', model: 'lm@1' } as Parameters<typeof describeRollout>[0];

describe('rollouts in words', () => {
  it('tells the verdict with its numbers', () => {
    const text = describeRollout({
      ...endpoint,
      rollout: {
        model: 'lm@2',
        revision: 'chat-2',
        mode: 'canary',
        percent: 5,
        automatic: true,
        startedAt: '2026-01-01T00:00:00Z',
        verdict: 'wait',
        compared: 0,
        equal: 0,
        evidence: [
          { metric: 'errors', pairs: 40, difference: 0.01, worsePValue: 0.4, withinMarginPValue: 0.7 },
        ],
      },
    });
    expect(text).toContain('canary 5 %   lm@1 → lm@2   verdict: wait');
    expect(text).toMatch(/errors +40 +0\.010/);
    expect(describeRollout(endpoint)).toContain('no rollout runs');
  });

  it('tells an endpoint that nobody asked from one with numbers', () => {
    const quiet = { inFlight: 0, holding: 0, queriesPerSecond: 0, revisions: [], replicas: [] };
    expect(describeStats(quiet)).toContain('nobody has asked');
    const text = describeStats({
      ...quiet,
      revisions: [
        {
          revision: 'chat-1',
          requests: 3,
          errors: 0,
          cancelled: 0,
          retries: 0,
          hedges: 0,
          promptTokens: 12,
          cachedTokens: 4,
          completionTokens: 30,
          requestMs: { p50: 10, p95: 12, p99: 20.25 },
          availability: 0.999,
          goodput: 0.5,
        },
      ],
      replicas: [
        {
          id: 'rep-1',
          inFlight: 2,
          pendingTokens: 0,
          failures: 0,
          cpuPercent: 41.26,
          engine: { queued: 3, kvTokensUsed: 64, kvTokensTotal: 512, rows: 9, batches: 2 },
        },
      ],
    });
    expect(text).toContain('10.0 / 20.3');
    expect(text).toContain('12 / 4 / 30');
    expect(text).toMatch(/99\.9 % +50\.0 %/);
    expect(text).toMatch(/rep-1 +2 +3 +41\.3 % +64 \/ 512 tokens +4\.5/);
  });

  it('reads a fixed number or bounds, and asks for one of them', () => {
    expect(scaleBody({ replicas: 2 })).toEqual({ replicas: 2 });
    expect(scaleBody({ min: 0, max: 4, target: { queue: 2 } })).toEqual({
      scaling: { min: 0, max: 4, policy: 'reactive', target: { queue: 2 } },
    });
    expect(() => scaleBody({ min: 1 })).toThrow('--max');
  });
});
