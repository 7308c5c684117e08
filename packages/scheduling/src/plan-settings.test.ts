import { expect, test } from 'vitest';
import { planCycle } from './plan-cycle.ts';
import { PLACEMENT_NAMES, type PlanSettings, toPlanOptions } from './plan-settings.ts';
import { node, running, snapshot, workload } from './scenario.ts';
import { typicalTasks } from './typical-tasks.ts';

const nodes = [
  node('n1', 8),
  node('n2', 8, { labels: { pool: 'spread' } }),
  node('n3', 8, { labels: { pool: 'spread' } }),
];
const used = [running('r1', [['n1', 0]], { devices: 2 }), running('r3', [['n3', 0]], { devices: 2 })];
const nodeOf = (settings: PlanSettings, nodeSelector?: Record<string, string>): string =>
  planCycle(
    snapshot({
      nodes,
      workloads: [...used, workload('w', nodeSelector === undefined ? {} : { nodeSelector })],
    }),
    toPlanOptions(settings),
  ).placements[0]!.members[0]!.nodeId;

test('every placement that can be named places', () => {
  const typical = typicalTasks(used);
  for (const placement of PLACEMENT_NAMES)
    expect(nodes.map(({ id }) => id)).toContain(nodeOf({ placement, typical }));
});

test('a pool is placed on in its own way', () => {
  const settings: PlanSettings = {
    placement: 'best-fit',
    pools: [{ nodes: { pool: 'spread' }, placement: 'worst-fit' }],
  };
  expect(nodeOf({ placement: 'best-fit' }, { pool: 'spread' })).toBe('n3');
  expect(nodeOf(settings, { pool: 'spread' })).toBe('n2');
});

test('fgd keeps whole nodes for the whole-node jobs that are usual', () => {
  const typical = typicalTasks([workload('usual', { devices: 8 }), ...used]);
  expect(nodeOf({ placement: 'fgd', typical })).not.toBe('n2');
  expect(typicalTasks([]).reduce((sum, { part }) => sum + part, 0)).toBe(1);
});

test('an unknown placement is named with those there are', () => {
  expect(() => toPlanOptions({ placement: 'tetris' })).toThrow(
    expect.objectContaining({ code: 'placement_unknown', hint: expect.stringContaining('fgd') }),
  );
});
