import { describe, expect, it } from 'vitest';
import { scaleBody } from '../commands/endpoint-rollout.ts';
import { describeRollout } from './rollout.ts';

type Shown = Parameters<typeof describeRollout>[0];
const endpoint = { name: 'chat', model: 'lm@1' } as Shown;

const withEvidence = (evidence: NonNullable<Shown['rollout']>['evidence'][number]): Shown => ({
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
    evidence: [evidence],
  },
});

describe('rollouts in words', () => {
  it('tells the verdict with its numbers', () => {
    const text = describeRollout(
      withEvidence({
        metric: 'errors',
        pairs: 40,
        difference: 0.01,
        worsePValue: 0.4,
        withinMarginPValue: 0.7,
      }),
    );
    expect(text).toContain('canary 5 %   lm@1 → lm@2   verdict: wait');
    expect(text).toMatch(/errors +40 +0\.010/);
    expect(describeRollout(endpoint)).toContain('no rollout runs');
  });

  it.each([
    ['no difference yet', 0.4, 0.7, '━━━━────────'],
    ['worse, 98.6 % sure', 0.0134, 1, '━━━━━━━━━━━━'],
    ['not worse, 95.0 % sure', 0.9, 0.05, '━━━━━━━━━━━━'],
    ['not worse, 99.9 % sure', 1, 0, '━━━━━━━━━━━━'],
  ])('says in words and as a bar: %s', (words, worsePValue, withinMarginPValue, drawn) => {
    const text = describeRollout(
      withEvidence({ metric: 'latency', pairs: 40, difference: 0.01, worsePValue, withinMarginPValue }),
    );
    // eslint-disable-next-line no-control-regex
    expect(text.replaceAll(/\u001b\[[0-9;]*m/g, '')).toContain(`${drawn}  ${words}`);
  });

  it('reads a fixed number or bounds, and asks for one of them', () => {
    expect(scaleBody({ replicas: 2 })).toEqual({ replicas: 2 });
    expect(scaleBody({ min: 0, max: 4, target: { queue: 2 } })).toEqual({
      scaling: { min: 0, max: 4, policy: 'reactive', target: { queue: 2 } },
    });
    expect(() => scaleBody({ min: 1 })).toThrow('--max');
  });
});
