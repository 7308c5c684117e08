import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { CanaryJudge, type CanaryVerdict } from './canary-judge.ts';

interface Rates {
  readonly error: number;
  readonly slow: number;
}

/** Plays requests until the judge decides or `requests` are over; 10 % go to the canary, it is asked after each. */
function play(
  seed: number,
  stable: Rates,
  canary: Rates,
  requests: number,
): { verdict: CanaryVerdict; canaryRequests: number } {
  const random = createRandom(seed);
  const judge = new CanaryJudge();
  let canaryRequests = 0;
  let verdict = judge.verdict();
  for (let i = 0; i < requests; i++) {
    const arm = random.next() < 0.1 ? 'canary' : 'stable';
    const rates = arm === 'canary' ? canary : stable;
    judge.observe(arm, {
      isError: random.next() < rates.error,
      isSlow: random.next() < rates.slow,
      badness: random.next() * 0.5,
    });
    if (arm === 'stable') continue;
    canaryRequests++;
    verdict = judge.verdict();
    if (verdict.kind === 'rollback') break;
  }
  return { verdict, canaryRequests };
}

describe('CanaryJudge', () => {
  it('raises no more false alarms than stated over 1,000 A/A runs with a look after every request', () => {
    const same = { error: 0.02, slow: 0.05 };
    let alarms = 0;
    for (let seed = 1; seed <= 1_000; seed++)
      if (play(seed, same, same, 4_000).verdict.kind === 'rollback') alarms++;
    expect(alarms).toBeLessThanOrEqual(50);
  });

  it('rolls back a canary with 10 % errors within a few hundred of its requests, and says why', () => {
    const spent: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const { verdict, canaryRequests } = play(
        seed,
        { error: 0.01, slow: 0.05 },
        { error: 0.1, slow: 0.05 },
        20_000,
      );
      expect(verdict).toMatchObject({ kind: 'rollback', because: 'errors' });
      spent.push(canaryRequests);
    }
    expect(spent.sort((a, b) => a - b)[20]).toBeLessThan(300);
  });

  it('promotes an equal canary, and one that is worse than the margin hardly ever', () => {
    const same = { error: 0.001, slow: 0.02 };
    expect(play(3, same, same, 40_000).verdict.kind).toBe('promote');
    let promoted = 0;
    for (let seed = 1; seed <= 40; seed++)
      if (play(seed, same, { error: 0.02, slow: 0.02 }, 15_000).verdict.kind === 'promote') promoted++;
    expect(promoted).toBe(0);
  });
});
