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
