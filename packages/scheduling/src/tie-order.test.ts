import { expect, test } from 'vitest';
import { Engine } from './engine.ts';
import { planCycle } from './plan-cycle.ts';
import { node, snapshot, workload } from './scenario.ts';
import type { NodeLive, Workload } from './snapshot.ts';

/** Where one device goes among three equal nodes that tell this of themselves. */
function chosen(live: readonly NodeLive[], shape: Partial<Workload> = {}): string {
  const nodes = live.map((told, index) => node(`n${index + 1}`, 8, { live: told }));
  const plan = planCycle(snapshot({ nodes, workloads: [{ ...workload('w'), ...shape }] }));
  return plan.placements[0]!.members[0]!.nodeId;
}

const data = [
  { key: 'sha256:weights', bytes: 8e9 },
  { key: 's3://bucket/corpus/', bytes: 1e9 },
];

test.each([
  ['nobody tells anything: the smallest name', [{}, {}, {}], 'n1'],
  ['the least loaded', [{ load: 0.9 }, { load: 0.1 }, { load: 0.5 }], 'n2'],
  ['equally loaded: most disk free', [{ diskFree: 0.1 }, { diskFree: 0.2 }, { diskFree: 0.8 }], 'n3'],
  ['then most network free', [{ networkFree: 0.3 }, { networkFree: 0.9 }, { networkFree: 0.6 }], 'n2'],
  ['a flutter of load is none', [{ load: 0.24 }, { load: 0.01 }, { load: 0.1 }], 'n1'],
] as const)('%s', (_, live, expected) => {
  expect(chosen(live)).toBe(expected);
});

test('most bytes of what it reads come before a light load, for who reads them only', () => {
  const live: NodeLive[] = [
    { load: 0 },
    { load: 0.5, cached: ['s3://bucket/corpus/'] },
    { load: 0.9, cached: ['sha256:weights'] },
  ];
  expect(chosen(live, { data })).toBe('n3');
  expect(chosen(live, { data: data.slice(1) })).toBe('n2');
  expect(chosen(live, { data: [{ key: 'sha256:other', bytes: 1e12 }] })).toBe('n1');
});

test('ties never beat the score: a device that would be left over is worth more than data', () => {
  const nodes = [node('n1', 8, { live: { cached: ['sha256:weights'] } }), node('n2', 1)];
  const plan = planCycle(snapshot({ nodes, workloads: [{ ...workload('w'), data }] }));
  expect(plan.placements[0]!.members[0]!.nodeId).toBe('n2');
});

test('an engine that is told later breaks ties as if it had known from the start', () => {
  const nodes = [node('n1', 8), node('n2', 8)];
  const engine = new Engine(snapshot({ nodes, workloads: [{ ...workload('w'), data }] }));
  const where = (): string => engine.plan(1_000_000).placements[0]!.members[0]!.nodeId;
  expect(where()).toBe('n1');
  engine.setLive(new Map([['n2', { cached: ['sha256:weights'] }]]));
  expect(where()).toBe('n2');
  expect(planCycle(engine.snapshot(1_000_000))).toEqual(engine.plan(1_000_000));
  engine.setLive(new Map());
  expect(where()).toBe('n1');
});
