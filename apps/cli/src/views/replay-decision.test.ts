import { planCycle } from '@gantry/scheduling';
import { node, snapshot, workload } from '@gantry/scheduling/scenario';
import { expect, test } from 'vitest';
import { describePolicy } from './policy.ts';
import { replayDecision } from './replay-decision.ts';

const state = snapshot({
  nodes: [node('n1', 4), node('n2', 8)],
  workloads: [workload('small', { devices: 2 }), workload('large', { devices: 16 })],
});
const record = {
  number: 3,
  options: { placement: 'best-fit' },
  snapshot: { ...state },
  plan: { ...planCycle(state) },
};

test('the same settings decide the same', () => {
  expect(replayDecision(record)).toMatchObject({ isSame: true, differences: [] });
  expect(replayDecision(record).sentence).toMatch(
    /cycle 3 decides the same: 1 placed, 0 evicted, 1 waiting/u,
  );
});

test('another placement says who goes elsewhere', () => {
  const { isSame, differences } = replayDecision(record, { placement: 'worst-fit' });
  expect(isSame).toBe(false);
  expect(differences).toEqual([expect.stringMatching(/^small: placed on n1 .* → placed on n2 /u)]);
});

test('rules are tried on what was, and a wrong one is told where', () => {
  const rules = [{ name: 'never', when: 'devices == 2', nodes: { pool: 'none' } }];
  expect(replayDecision(record, { rules }).differences).toEqual([
    expect.stringMatching(/^small: placed on n1 .* → waits \(unsatisfiable_request\)$/u),
  ]);
  const wrong = [{ name: 'wrong', when: 'devicez > 1', priority: 1 }];
  expect(() => replayDecision(record, { rules: wrong })).toThrow(
    'rules.0.when:1: there is no field "devicez"',
  );
});

test('a policy names what is in force, and what could be', () => {
  const text = describePolicy({
    order: 'las',
    pools: { fast: { nodes: { pool: 'fast' } } },
    fairShare: { halfLife: 86_400 },
    rules: [{ name: 'night', when: 'hour >= 22' }],
    version: 2,
    choices: { order: ['fifo', 'las'], placement: ['best-fit'] },
  });
  expect(text).toContain('las   of fifo, las');
  expect(text).toContain('fast (pool=fast)');
  expect(text).toContain('half of it counts after 1 d');
  expect(text).toContain('night: hour >= 22');
  expect(text).toContain('block / rack / host');
});
