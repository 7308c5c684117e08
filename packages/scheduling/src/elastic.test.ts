/** Elastic gangs: the minimum is the gang; extras come last, go first, and are told about. */
import { expect, test } from 'vitest';
import { planCycle } from './plan-cycle.ts';
import type { Plan } from './plan.ts';
import { describeReduced } from './reason.ts';
import { node, queue, running, snapshot, workload } from './scenario.ts';
import type { Workload } from './snapshot.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = 10 * HOUR_MS;

const plan = (devices: number, workloads: Workload[], queues = [queue('main')]): Plan =>
  planCycle(snapshot({ nowMs: NOW_MS, nodes: [node('n1', devices)], queues, workloads }));

/** Runs with this many of 8 members, at least 2, on the first devices of n1. */
const gang = (id: string, size: number, shape: Partial<Workload> = {}): Workload => {
  const made = running(
    id,
    Array.from({ length: size }, (_, first) => ['n1', first] as [string, number]),
    { startedAtMs: NOW_MS - HOUR_MS, lastCheckpointAtMs: NOW_MS - 60_000, ...shape },
  );
  return { ...made, taskGroups: [{ ...made.taskGroups[0]!, count: 8, minCount: 2 }] };
};

const sizes = ({ resizes }: Plan): Record<string, number> =>
  Object.fromEntries(resizes.map(({ workloadId, members }) => [workloadId, members.length]));

test('starts with what there is, at least its minimum, and says how many it runs with', () => {
  const { placements, reduced } = plan(3, [workload('w', { members: 8, minimum: 2 })]);
  expect(placements[0]!.members.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(reduced).toMatchObject([{ workloadId: 'w', members: 3, wanted: 8 }]);
  expect(describeReduced(reduced[0]!)).toBe(
    'Runs with 3 of 8 replicas of "worker". Not enough free devices for group "worker": 1 asked, 0 free on nodes it may use.',
  );
});

test('extras are given once everybody who can start has started, the highest priority first', () => {
  const { placements } = plan(6, [
    workload('low', { members: 8, minimum: 2, createdAtMs: 0 }),
    workload('high', { members: 3, minimum: 1, priority: 5, createdAtMs: 1 }),
    workload('rigid', { createdAtMs: 2 }),
  ]);
  const size = Object.fromEntries(placements.map(({ workloadId, members }) => [workloadId, members.length]));
  expect(size).toEqual({ high: 3, low: 2, rigid: 1 });
});

test('grows into room that nobody else can use, keeping what it holds', () => {
  const { resizes } = plan(6, [gang('w', 3)]);
  expect(resizes).toMatchObject([{ workloadId: 'w', reason: { code: 'grown' } }]);
  expect(resizes[0]!.members.map(({ deviceIds }) => deviceIds[0])).toEqual(
    Array.from({ length: 6 }, (_, index) => `n1/${index}`),
  );
});

test.each([
  ['it started a moment ago', { startedAtMs: NOW_MS - 60_000 }, 'settling'],
  ['it is nearly done', { runtimeEstimateMs: HOUR_MS + 90_000 }, 'growth_not_worth'],
  ['its queue is at its limit', { queueId: 'small' }, 'queue_limit'],
] as const)('does not grow when %s', (_, shape, code) => {
  const small = queue('small', { limit: { devices: 3 } });
  const { resizes, reduced } = plan(8, [gang('w', 3, shape)], [queue('main'), small]);
  expect(resizes).toEqual([]);
  expect(reduced[0]!.reasons).toMatchObject([{ code }]);
});

test('a gang bound to a rack grows inside it only', () => {
  const rack = (name: string) => ({ topologyPath: ['block', name] });
  const bound = gang('w', 2, { topology: { mode: 'required', level: 'rack' } });
  const { resizes } = planCycle(
    snapshot({
      nowMs: NOW_MS,
      nodes: [node('n1', 2, rack('r1')), node('n2', 1, rack('r1')), node('n3', 8, rack('r2'))],
      workloads: [bound],
    }),
  );
  expect(resizes[0]!.members.map(({ nodeId }) => nodeId)).toEqual(['n1', 'n1', 'n2']);
});

test('shrinks before anybody is evicted, by no more than is needed, its last ranks first', () => {
  const rigid = running('rigid', [['n1', 6]], { startedAtMs: NOW_MS });
  const made = plan(7, [gang('w', 6), rigid, workload('urgent', { devices: 3, priority: 1 })]);
  expect(made.evictions).toEqual([]);
  expect(sizes(made)).toEqual({ w: 3 });
  expect(made.resizes[0]!.members.map(({ deviceIds }) => deviceIds[0])).toEqual(['n1/0', 'n1/1', 'n1/2']);
  expect(made.waiting[0]).toMatchObject({
    workloadId: 'urgent',
    reasons: [{ code: 'waiting_for_victims', victims: ['w'] }],
  });
  expect(made.claims).toEqual([{ workloadId: 'urgent', nodeIds: ['n1'] }]);
});

test('while it shrinks nobody else makes room, and then the room is there', () => {
  const shrinking = gang('w', 6);
  const urgent = workload('urgent', { devices: 3, priority: 1 });
  const target = shrinking.allocation!.slice(0, 3);
  const during = plan(6, [{ ...shrinking, resizingTo: target }, urgent]);
  expect([during.evictions, during.resizes]).toEqual([[], []]);
  expect(during.waiting[0]!.reasons).toMatchObject([{ code: 'waiting_for_victims', victims: ['w'] }]);
  const after = plan(6, [{ ...shrinking, allocation: target, startedAtMs: NOW_MS }, urgent]);
  expect(after.placements.map(({ workloadId }) => workloadId)).toEqual(['urgent']);
});

test('what it grows to is its own from the moment it is told', () => {
  const growing = gang('w', 2);
  const resizingTo = plan(4, [growing]).resizes[0]!.members;
  const { placements } = plan(4, [{ ...growing, resizingTo }, workload('late')]);
  expect(placements).toEqual([]);
});

test('semi-preemptible: the extras of a gang that is not preemptible may go, its minimum never', () => {
  const fixed = gang('w', 6, { preemptible: false });
  expect(sizes(plan(6, [fixed, workload('some', { devices: 4, priority: 9 })]))).toEqual({ w: 2 });
  const much = plan(6, [fixed, workload('much', { devices: 5, priority: 9 })]);
  expect([much.evictions, much.resizes]).toEqual([[], []]);
});

test('extras yield to a waiting equal, once the gang has settled; whole gangs do not', () => {
  const equal = workload('equal', { devices: 2, createdAtMs: NOW_MS });
  expect(sizes(plan(6, [gang('w', 6), equal]))).toEqual({ w: 4 });
  const young = plan(6, [gang('w', 6, { startedAtMs: NOW_MS - 60_000 }), equal]);
  expect([young.evictions, young.resizes]).toEqual([[], []]);
  const minimum = plan(2, [gang('w', 2), workload('equal')]);
  expect([minimum.evictions, minimum.resizes]).toEqual([[], []]);
});

test('a queue within its share takes extras of a borrower before it takes gangs', () => {
  const queues = [queue('owner', { deserved: { devices: 4 } }), queue('borrower')];
  const made = plan(
    8,
    [
      gang('elastic', 6, { queueId: 'borrower' }),
      running('rigid', [['n1', 6]], { queueId: 'borrower', devices: 2, startedAtMs: NOW_MS }),
      workload('mine', { queueId: 'owner', devices: 4 }),
    ],
    queues,
  );
  expect(made.evictions).toEqual([]);
  expect(sizes(made)).toEqual({ elastic: 2 });
});
