import { createRandom } from '@gantry/kit';
import { describe, expect, it } from 'vitest';
import { RolloutJudge } from './rollout-judge.ts';

const rollout = {
  endpointId: 'e',
  stableRevisionId: 'chat-1',
  rolloutRevisionId: 'chat-2',
  minPairs: 100,
  latencyObjectiveMs: undefined,
};
const seen = (id: string, revisionId: string, status: number, requestMs = 10) => ({
  id,
  endpointId: 'e',
  revisionId,
  replicaId: `rpl-of-${revisionId}`,
  status,
  requestMs,
});

function play(requests: number, canary: { error: number; slowMs: number }): RolloutJudge {
  const random = createRandom(7);
  const judge = new RolloutJudge();
  judge.watch('e', rollout);
  for (let i = 0; i < requests; i++) {
    judge.observe(seen(`s${i}`, 'chat-1', random.next() < 0.01 ? 500 : 200, 10 + random.next()));
    judge.observe(
      seen(`c${i}`, 'chat-2', random.next() < canary.error ? 500 : 200, canary.slowMs + random.next()),
    );
    if (judge.view('e')?.verdict.kind !== 'wait') break;
  }
  return judge;
}

describe('RolloutJudge', () => {
  it('rolls back for errors, and for a slowness that it learned from the stable revision', () => {
    expect(play(3_000, { error: 0.2, slowMs: 10 }).view('e')?.verdict).toMatchObject({
      kind: 'rollback',
      because: 'errors',
    });
    expect(play(3_000, { error: 0.01, slowMs: 100 }).view('e')?.verdict).toMatchObject({
      kind: 'rollback',
      because: 'latency',
    });
  });

  /**
   * Both arms answer alike: a spread of latencies, times how busy their machine is, and the canary's process is new.
   * A fifth goes to the canary, and the verdict is looked at after each of its answers.
   */
  function falseAlarms(runs: number, busyAt: (request: number, begin: number) => number): number {
    let alarms = 0;
    for (let seed = 1; seed <= runs; seed++) {
      const random = createRandom(seed);
      const judge = new RolloutJudge();
      judge.watch('e', rollout);
      const begin = random.next();
      let answers = 0;
      for (let i = 0; i < 1_200; i++) {
        const isCanary = random.next() < 0.2;
        const cold = isCanary && answers++ < 50 ? 2 : 1;
        const requestMs = 20 * Math.exp(random.next() + random.next()) * busyAt(i, begin) * cold;
        judge.observe(seen(`${i}`, isCanary ? 'chat-2' : 'chat-1', 200, requestMs));
        if (!isCanary || judge.view('e')?.verdict.kind !== 'rollback') continue;
        alarms++;
        break;
      }
    }
    return alarms;
  }

  it.each<[string, (request: number, begin: number) => number]>([
    ['from its first request on, while slowness is still being learned', () => 1],
    ['where the machine is busy at times, for both', (i, begin) => ((i / 150 + begin) % 1 < 0.3 ? 4 : 1)],
    ['where it gets busier and busier', (i) => 1 + i / 300],
  ])('raises no more false alarms on an equal than stated, %s', (_when, busyAt) => {
    expect(falseAlarms(200, busyAt)).toBeLessThanOrEqual(10);
  });

  it('promotes an equal', () => {
    expect(play(20_000, { error: 0.01, slowMs: 10 }).view('e')?.verdict.kind).toBe('promote');
  });

  it('takes scores for answers of its arms, once each', () => {
    const judge = new RolloutJudge();
    judge.watch('e', rollout);
    for (let i = 0; i < 400; i++) {
      judge.observe(seen(`s${i}`, 'chat-1', 200));
      judge.observe(seen(`c${i}`, 'chat-2', 200));
      expect(judge.feedback('e', `s${i}`, 0.9)).toBe(true);
      expect(judge.feedback('e', `c${i}`, 0.1)).toBe(true);
    }
    expect(judge.feedback('e', 's1', 1)).toBe(false);
    expect(judge.feedback('e', 'unknown', 1)).toBe(false);
    expect(judge.view('e')?.verdict).toMatchObject({ kind: 'rollback', because: 'quality' });
  });

  it('leaves out who left or asked for the impossible, and counts compared copies', () => {
    const judge = new RolloutJudge();
    judge.watch('e', rollout);
    expect(judge.observe(seen('a', 'chat-1', 499))).toBe(false);
    expect(judge.observe(seen('a', 'chat-3', 200))).toBe(false);
    judge.observe({ ...seen('b', 'chat-2', 200), shadow: { isEqual: true } });
    judge.observe({ ...seen('c', 'chat-2', 200), shadow: { isEqual: false } });
    judge.observe({ ...seen('d', 'chat-2', 200), shadow: { isEqual: undefined } });
    expect(judge.view('e')).toMatchObject({ compared: 2, equal: 1 });
    judge.watch('e', { ...rollout });
    expect(judge.view('e')?.compared).toBe(2);
    judge.watch('e', { ...rollout, rolloutRevisionId: 'chat-3' });
    expect(judge.view('e')?.compared).toBe(0);
    judge.watch('e', undefined);
    expect(judge.view('e')).toBeUndefined();
  });
});
