/** Eight promised devices can mean one node: they are had together, or they are worth nothing. */
import { expect, test } from 'vitest';
import { planCycle } from './plan-cycle.ts';
import { describeReason } from './reason.ts';
import { node, queue, residents, running, snapshot, workload } from './scenario.ts';
import type { Snapshot } from './snapshot.ts';

const nodes = [node('n1', 8), node('n2', 8)];
const shaped = [
  queue('owner', { deserved: { devices: 8 }, shape: { nodes: 1, devices: 8 } }),
  queue('guest', { deserved: { devices: 8 } }),
];
const guests = (prefix: string, count: number, preemptible: boolean) =>
  Array.from({ length: count }, (_, index) =>
    workload(`${prefix}${index}`, { queueId: 'guest', preemptible }),
  );
const plan = (parts: Partial<Snapshot>) => planCycle(snapshot({ nodes, queues: shaped, ...parts }));
const nodesOf = ({ placements }: ReturnType<typeof planCycle>) =>
  [...new Set(placements.flatMap(({ members }) => members.map(({ nodeId }) => nodeId)))].sort();

test('work of others that cannot leave stays off one node, and is told for whom', () => {
  const { waiting, ...rest } = plan({ workloads: guests('g', 9, false) });
  expect(nodesOf({ waiting, ...rest })).toHaveLength(1);
  expect(waiting.map(({ workloadId }) => workloadId)).toEqual(['g8']);
  expect(waiting[0]!.reasons.map(describeReason)).toEqual([
    'Queue owner is promised 1 node with 8 devices each; there only work runs that can be evicted.',
  ]);
});

test('without the shape a ninth device is lent where it lies, and the promise means nothing', () => {
  const queues = shaped.map(({ shape: _shape, ...rest }) => rest);
  expect(plan({ queues, workloads: guests('g', 9, false) }).waiting).toEqual([]);
});

test('work that can be evicted may use the node, and leaves when the owner asks for it whole', () => {
  expect(plan({ workloads: guests('g', 16, true) }).placements).toHaveLength(16);
  const resting = { queueId: 'guest', startedAtMs: 0 };
  const workloads = [
    ...residents('firm', 'n1', 0, 8, { ...resting, preemptible: false }),
    ...residents('soft', 'n2', 0, 8, resting),
    workload('whole', { queueId: 'owner', devices: 8 }),
  ];
  const { evictions } = plan({ workloads });
  expect(evictions.map(({ workloadId }) => workloadId.slice(0, 4))).toEqual(
    Array.from({ length: 8 }, () => 'soft'),
  );
});

test('the node where the queue is already is the one that is kept', () => {
  const own = running('own', [['n2', 0]], { queueId: 'owner', preemptible: false });
  expect(nodesOf(plan({ workloads: [own, ...guests('g', 8, false)] }))).toEqual(['n1']);
});

test('its own work, that of queues below it, and work of a place of its own are not kept off', () => {
  const queues = [...shaped, queue('team', { parentId: 'owner' })];
  const workloads = [
    workload('own', { queueId: 'owner', preemptible: false, devices: 8 }),
    workload('below', { queueId: 'team', preemptible: false, devices: 8 }),
  ];
  expect(plan({ queues, workloads }).placements).toHaveLength(2);
});

test('a promise of nothing is refused', () => {
  const queues = [queue('main', { shape: { nodes: 0, devices: 8 } })];
  expect(() => plan({ queues, workloads: [] })).toThrow(/is promised 0 nodes/);
});
