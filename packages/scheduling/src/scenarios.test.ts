/**
 * The rules as short tables: cluster, queues, arrivals, outcome (peer-failures.test.ts has those of other schedulers' failures).
 * Where a rule can be switched off, `without` shows that the scenario then goes wrong.
 */
import { expect, test } from 'vitest';
import { planCycle, type PlanOptions } from './plan-cycle.ts';
import { node, queue, residents, running, snapshot, workload } from './scenario.ts';
import type { NodeState, QueueNode, Workload } from './snapshot.ts';

interface Outcome {
  starts: string[];
  evicts: string[];
  /** How many members a running gang goes on with. */
  resizes?: Record<string, number>;
  waits: Record<string, string>;
}

interface Scenario {
  name: string;
  nodes: NodeState[];
  queues?: QueueNode[];
  workloads: Workload[];
  options?: PlanOptions;
  expected: Outcome;
  without?: PlanOptions;
}

const NOW_MS = 1_000_000;
const HOUR_MS = 3_600_000;

const scenarios: Scenario[] = [
  {
    name: 'what a wounded gang has left is not kept for ever',
    nodes: [node('n1', 8), node('n2', 8, { healthy: false })],
    workloads: [
      workload('gang', {
        members: 2,
        devices: 8,
        createdAtMs: 5,
        kept: { why: 'wounded', nodeIds: ['n1', 'n2'], untilMs: NOW_MS },
      }),
      workload('urgent', { priority: 9 }),
    ],
    expected: { starts: ['urgent'], evicts: [], waits: { gang: 'insufficient_capacity' } },
  },
  {
    name: 'small jobs with young checkpoints are moved together when that lets a gang start',
    nodes: [node('n1', 8), node('n2', 8)],
    workloads: [
      running('a', [['n1', 0]], { startedAtMs: 0, lastCheckpointAtMs: NOW_MS - 1000 }),
      running('b', [['n2', 0]], { startedAtMs: 0, lastCheckpointAtMs: NOW_MS - 2000 }),
      workload('whole', { devices: 8 }),
    ],
    options: { moves: 1 },
    expected: { starts: [], evicts: ['a'], waits: { whole: 'waiting_for_victims' } },
    without: { moves: 0 },
  },
  {
    name: 'nobody is moved who would lose much, or has nowhere to go, or beyond the budget',
    nodes: [node('n1', 8), node('n2', 8), node('n3', 2, { model: 'v100' })],
    workloads: [
      running('unsaved', [['n1', 0]], { startedAtMs: 0 }),
      ...residents('two', 'n2', 0, 2, { startedAtMs: NOW_MS }),
      workload('whole', { devices: 8 }),
    ],
    options: { moves: 1 },
    expected: { starts: [], evicts: [], waits: { whole: 'fragmented' } },
  },
  {
    name: 'slices go to who asks for their profile, whole devices to everybody else',
    nodes: [
      node('n1', 2),
      node('n2', 2, {
        devices: [0, 1].map((slice) => ({
          id: `n2/${slice}`,
          model: 'a100',
          profile: '1g.10gb',
          memoryBytes: 10 * 2 ** 30,
          milliCapacity: 1000,
          healthy: true,
        })),
      }),
    ],
    workloads: [
      workload('sliced', { members: 2, request: { deviceProfile: '1g.10gb' }, createdAtMs: 1 }),
      workload('whole', { members: 2, createdAtMs: 2 }),
      workload('more', { createdAtMs: 3 }),
      workload('unknown', { request: { deviceProfile: '7g.80gb' }, createdAtMs: 4 }),
    ],
    expected: {
      starts: ['sliced', 'whole'],
      evicts: [],
      waits: { more: 'insufficient_capacity', unknown: 'unsatisfiable_request' },
    },
  },
  {
    name: 'what a queue does not lend stays free for it, and the borrower is told whose it is',
    nodes: [node('n1', 8)],
    queues: [queue('owner', { deserved: { devices: 6 }, lending: { devices: 2 } }), queue('borrower')],
    workloads: [
      workload('fits', { queueId: 'borrower', devices: 4, createdAtMs: 1 }),
      workload('more', { queueId: 'borrower', devices: 1, createdAtMs: 2 }),
      workload('own', { queueId: 'owner', devices: 4, createdAtMs: 3 }),
    ],
    expected: { starts: ['fits', 'own'], evicts: [], waits: { more: 'insufficient_capacity' } },
  },
  {
    name: 'a queue borrows no more than it may, though everything is free',
    nodes: [node('n1', 8)],
    queues: [queue('main', { deserved: { devices: 2 }, borrowing: { devices: 3 } })],
    workloads: [
      workload('first', { devices: 4, createdAtMs: 1 }),
      workload('second', { devices: 2, createdAtMs: 2 }),
    ],
    expected: { starts: ['first'], evicts: [], waits: { second: 'queue_limit' } },
  },
  {
    name: 'who used much lately goes after who did not, though both use nothing now',
    nodes: [node('n1', 1)],
    queues: [queue('heavy', { recentUse: 0.8 }), queue('light', { recentUse: 0.1 })],
    workloads: [
      workload('h', { queueId: 'heavy', createdAtMs: 1 }),
      workload('l', { queueId: 'light', createdAtMs: 2 }),
    ],
    expected: { starts: ['l'], evicts: [], waits: { h: 'insufficient_capacity' } },
  },
  {
    name: 'what is within its share goes before what borrows, whatever their priorities',
    nodes: [node('n1', 4)],
    queues: [queue('a', { deserved: { devices: 2 } }), queue('b', { deserved: { devices: 2 } })],
    workloads: [
      ...residents('a', 'n1', 0, 2, { queueId: 'a', priority: 9 }),
      workload('borrows', { queueId: 'a', devices: 2, priority: 9 }),
      workload('own', { queueId: 'b', devices: 2 }),
    ],
    expected: { starts: ['own'], evicts: [], waits: { borrows: 'insufficient_capacity' } },
  },
  {
    name: 'nobody is evicted for one that the order of the queue puts behind',
    nodes: [node('n1', 1)],
    queues: [queue('main', { policy: 'fifo' })],
    workloads: [
      running('first', [['n1', 0]], { createdAtMs: 0 }),
      workload('urgent', { priority: 9, createdAtMs: 1 }),
    ],
    expected: { starts: [], evicts: [], waits: { urgent: 'insufficient_capacity' } },
  },
  {
    name: 'a node too small for the request is not chosen',
    nodes: [node('a-small', 4), node('b-large', 8)],
    workloads: [workload('w', { devices: 6 })],
    expected: { starts: ['w'], evicts: [], waits: {} },
  },
  {
    name: 'by default the short one goes first, when both have waited alike',
    nodes: [node('n1', 1)],
    workloads: [
      workload('long', { createdAtMs: 0, runtimeEstimateMs: 10 * HOUR_MS }),
      workload('short', { createdAtMs: 1, runtimeEstimateMs: HOUR_MS }),
    ],
    expected: { starts: ['short'], evicts: [], waits: { long: 'insufficient_capacity' } },
  },
  {
    name: 'by default nobody is passed for ever: who has waited long for his length goes first',
    nodes: [node('n1', 1)],
    workloads: [
      workload('long', { createdAtMs: NOW_MS - 30 * HOUR_MS, runtimeEstimateMs: 10 * HOUR_MS }),
      workload('short', { createdAtMs: NOW_MS - HOUR_MS, runtimeEstimateMs: HOUR_MS }),
    ],
    expected: { starts: ['long'], evicts: [], waits: { short: 'insufficient_capacity' } },
  },
  {
    name: 'by default who was evicted three times is not passed any more; twice, and short work goes ahead',
    nodes: [node('n1', 2)],
    workloads: [
      workload('thrice', { preemptions: 3, runtimeEstimateMs: 10 * HOUR_MS }),
      workload('twice', { preemptions: 2, runtimeEstimateMs: 10 * HOUR_MS }),
      workload('short', { createdAtMs: 1, runtimeEstimateMs: HOUR_MS }),
    ],
    expected: { starts: ['thrice', 'short'], evicts: [], waits: { twice: 'insufficient_capacity' } },
  },
  {
    name: 'minimum runtime: the young ones of the queue are spared',
    nodes: [node('n1', 1)],
    queues: [queue('main', { minRuntimeMs: HOUR_MS })],
    workloads: [
      running('young', [['n1', 0]], { startedAtMs: NOW_MS - 1000 }),
      workload('urgent', { priority: 1 }),
    ],
    expected: { starts: [], evicts: [], waits: { urgent: 'insufficient_capacity' } },
  },
  {
    name: 'a queue above its own share reclaims nothing',
    nodes: [node('n1', 4)],
    queues: [queue('a', { deserved: { devices: 2 } }), queue('b', { deserved: { devices: 2 } })],
    workloads: [
      ...residents('a', 'n1', 0, 2, { queueId: 'a' }),
      ...residents('b', 'n1', 2, 4, { queueId: 'b' }),
      workload('more', { queueId: 'a' }),
    ],
    expected: { starts: [], evicts: [], waits: { more: 'insufficient_capacity' } },
  },
];

function outcomeOf({ nodes, queues, workloads }: Scenario, options?: PlanOptions): Outcome {
  const plan = planCycle(
    snapshot({ nowMs: NOW_MS, nodes, workloads, ...(queues === undefined ? {} : { queues }) }),
    options,
  );
  return {
    starts: plan.placements.map(({ workloadId }) => workloadId),
    evicts: plan.evictions.map(({ workloadId }) => workloadId).sort(),
    ...(plan.resizes.length === 0
      ? {}
      : {
          resizes: Object.fromEntries(
            plan.resizes.map(({ workloadId, members }) => [workloadId, members.length]),
          ),
        }),
    waits: Object.fromEntries(plan.waiting.map(({ workloadId, reasons }) => [workloadId, reasons[0]!.code])),
  };
}

test.each(scenarios)('$name', (scenario) => {
  expect(outcomeOf(scenario, scenario.options)).toEqual(scenario.expected);
  if (scenario.without !== undefined)
    expect(outcomeOf(scenario, scenario.without)).not.toEqual(scenario.expected);
});

test('a wounded gang goes on in the rack it was in, though another rack is fuller', () => {
  const rack = (name: string) => ({ topologyPath: ['block', name] });
  const nodes = [
    node('n1', 8, rack('r1')),
    node('n2', 8, { ...rack('r1'), healthy: false }),
    node('n3', 8, rack('r1')),
    node('n4', 8, rack('r2')),
    node('n5', 8, rack('r2')),
  ];
  const gang = workload('gang', { members: 2, devices: 6 });
  const others = [
    running('other', [['n4', 0]], { devices: 2 }),
    running('more', [['n5', 0]], { devices: 2 }),
  ];
  const placedOn = (item: Workload): string[] =>
    planCycle(snapshot({ nodes, workloads: [...others, item] })).placements[0]!.members.map(
      ({ nodeId }) => nodeId,
    );
  expect(placedOn(gang)).toEqual(['n4', 'n5']);
  expect(placedOn({ ...gang, kept: { why: 'wounded', nodeIds: ['n1', 'n2'], untilMs: Infinity } })).toEqual([
    'n1',
    'n3',
  ]);
});

test('a borrower that is kept out is told whose devices are missing, and how many lent would do', () => {
  const plan = planCycle(
    snapshot({
      nodes: [node('n1', 8)],
      queues: [queue('owner', { deserved: { devices: 6 }, lending: { devices: 2 } }), queue('borrower')],
      workloads: [workload('w', { queueId: 'borrower', devices: 6 })],
    }),
  );
  expect(plan.waiting[0]).toMatchObject({
    reasons: [{ code: 'queue_keeps', queueId: 'owner', kept: 4, by: 2 }],
    unblock: [{ kind: 'lend_more', queueId: 'owner', resource: 'devices', by: 2 }],
  });
});

test('nodes that were emptied for somebody are kept for him, whoever comes meanwhile', () => {
  const nodes = [node('n1', 8)];
  const gang = workload('gang', { devices: 8, priority: 1 });
  const before = snapshot({ nodes, workloads: [...residents('r', 'n1', 0, 8), gang] });
  const { claims, evictions } = planCycle(before);
  expect(claims).toEqual([{ workloadId: 'gang', nodeIds: ['n1'] }]);
  expect(evictions).toHaveLength(8);
  const kept = { why: 'claimed', nodeIds: ['n1'], untilMs: Infinity } as const;
  const newcomer = workload('newcomer', { priority: 9 });
  const after = (claimed: Workload): string[] =>
    planCycle(snapshot({ nodes, workloads: [newcomer, claimed] })).placements.map(
      ({ workloadId }) => workloadId,
    );
  expect(after({ ...gang, kept })).toEqual(['gang']);
  expect(after(gang)).toEqual(['newcomer']);
});
