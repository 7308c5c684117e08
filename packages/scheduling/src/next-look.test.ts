import { node, queue, snapshot, workload } from './scenario.ts';
import { planCycle } from './plan-cycle.ts';
import type { Snapshot } from './snapshot.ts';
import { expect, test } from 'vitest';
import { nextLookMs } from './next-look.ts';

const look = (parts: Partial<Snapshot>): number | null => {
  const state = snapshot({ nowMs: 1000, nodes: [node('n1', 1)], ...parts });
  return nextLookMs(state, planCycle(state));
};
const two = [workload('a'), workload('b')];

test('without rules that change with time, only events count', () => {
  expect(look({ workloads: two })).toBeNull();
  expect(look({ workloads: [workload('a')], queues: [queue('main', { policy: 'las' })] })).toBeNull();
});

test('minimum runtimes and attained service are looked at every minute while somebody waits', () => {
  expect(look({ workloads: two, queues: [queue('main', { policy: 'las' })] })).toBe(60_000);
  expect(look({ workloads: two, queues: [queue('main', { minRuntimeMs: 5000 })] })).toBe(60_000);
});

test('machines kept for a wounded gang are given up in time', () => {
  const kept = { why: 'wounded', nodeIds: ['n1'], untilMs: 31_000 } as const;
  expect(look({ workloads: [workload('gang', { members: 2, kept }), ...two] })).toBe(30_000);
});

test('who waits for scattered room is looked at when the next move may be made', () => {
  const half = ['a', 'b'].map((id, at) =>
    workload(id, {
      devices: 1,
      state: 'running',
      preemptible: false,
      startedAtMs: 0,
      allocation: [{ group: 'worker', index: 0, nodeId: `n${at + 1}`, deviceIds: [`n${at + 1}/0`] }],
    }),
  );
  const state = snapshot({
    nowMs: 1000,
    nodes: [node('n1', 2), node('n2', 2)],
    workloads: [...half, workload('wide', { devices: 2 })],
  });
  const plan = planCycle(state);
  expect(plan.waiting[0]?.reasons.map(({ code }) => code)).toContain('fragmented');
  expect(nextLookMs(state, plan)).toBeNull();
  expect(nextLookMs(state, plan, 5000)).toBe(5000);
});
