import { expect, test } from 'vitest';
import { kindsOf } from './node-kinds.ts';
import { planCycle } from './plan-cycle.ts';
import { node, snapshot, workload } from './scenario.ts';

test('nodes are of one kind when no request can tell them apart; names and health do not count', () => {
  const nodes = [
    node('n1', 8),
    node('n2', 8, { healthy: false, topologyPath: ['elsewhere'] }),
    node('n3', 8, { labels: { a: '1', b: '2' } }),
    node('n4', 8, { labels: { b: '2', a: '1' } }),
    node('n5', 8, { model: 'h100' }),
    node('n6', 7),
    node('n7', 8, { taints: [{ key: 'team', effect: 'NoSchedule' }] }),
    node('n8', 8, { islandSize: 4 }),
  ];
  expect([...kindsOf(nodes).kindOf]).toEqual([0, 0, 1, 1, 2, 3, 4, 5]);
  expect(kindsOf(nodes)).toBe(kindsOf(nodes));
});

test('a node that is not well is not chosen for being of a kind that is', () => {
  const nodes = [node('n1', 8, { healthy: false }), node('n2', 8)];
  // Kinds are looked at from the fifth class of requests on.
  const workloads = Array.from({ length: 8 }, (_, index) =>
    workload(`w${index}`, { createdAtMs: index, request: { cpuMilli: 1000 + index } }),
  );
  const { placements } = planCycle(snapshot({ nodes, workloads }));
  expect(new Set(placements.map(({ members }) => members[0]!.nodeId))).toEqual(new Set(['n2']));
});
