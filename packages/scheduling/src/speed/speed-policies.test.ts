/** Orders that know how fast work runs: who goes first, how large gangs are, and on which model they start. */
import { expect, test } from 'vitest';
import { planCycle } from '../plan-cycle.ts';
import type { Plan } from '../plan.ts';
import { node, queue, running, snapshot, workload } from '../scenario.ts';
import type { NodeState, Speed, Workload } from '../snapshot.ts';
import { chooseSizes } from './choose-sizes.ts';
import { goodput, SpeedCurve, speedOn } from './speed-curve.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = 100 * HOUR_MS;

const plan = (policy: string, workloads: Workload[], nodes: NodeState[] = [node('n1', 8)]): Plan =>
  planCycle(snapshot({ nowMs: NOW_MS, nodes, queues: [queue('main', { policy })], workloads }));
const starts = ({ placements }: Plan): string[] => placements.map(({ workloadId }) => workloadId);
const sizes = ({ placements, resizes }: Plan): Record<string, number> =>
  Object.fromEntries(
    [...placements, ...resizes].map(({ workloadId, members }) => [workloadId, members.length]),
  );

/** Measured on one and on four members. */
const measured = (one: number, four: number, left?: number): Speed => ({
  runs: [
    { model: 'a100', members: 1, perSecond: one },
    { model: 'a100', members: 4, perSecond: four },
  ],
  ...(left === undefined ? {} : { left }),
});

test('a curve goes through what was measured, and is believed up to twice the largest size', () => {
  const curve = SpeedCurve.of(measured(10, 25), 'a100')!;
  expect(curve.rate(1)).toBeCloseTo(10, 9);
  expect(curve.rate(4)).toBeCloseTo(25, 9);
  expect(curve.rate(8)).toBeLessThan(2 * curve.rate(4));
  expect(curve.largest).toBe(8);
  const one = SpeedCurve.of({ runs: [{ model: 'a100', members: 2, perSecond: 6 }] }, 'h100')!;
  expect(one.rate(4)).toBeCloseTo(12, 9);
  expect(one.largest).toBe(4);
  expect(SpeedCurve.of({ runs: [] }, null)).toBeNull();
});

test('a larger batch is worth less where the gradient has little noise', () => {
  const curve = SpeedCurve.of(measured(10, 40), null)!;
  const at = (scale: number): number =>
    goodput({ runs: [], noise: { scale, batchPerMember: 32 } }, curve, 4, 1) /
    goodput({ runs: [] }, curve, 1, 1);
  expect(at(1e9)).toBeCloseTo(4, 5);
  expect(at(0)).toBeCloseTo(1, 9);
});

test('speeds of models are compared member for member; what was not measured counts as the mean', () => {
  const speed: Speed = {
    runs: [
      { model: 'h100', members: 2, perSecond: 60 },
      { model: 'a100', members: 1, perSecond: 10 },
    ],
  };
  expect(['h100', 'a100', 'v100'].map((model) => speedOn(speed, model))).toEqual([1.5, 0.5, 1]);
});

test('sizes: everyone the least, then where a device adds most, in leaps where only these pay', () => {
  const worths: Record<string, readonly number[]> = { a: [0, 1, 1.9, 2.7, 3.4], b: [0, 1, 1.1, 1.2, 4] };
  const chosen = (devices: number): Record<string, number> =>
    Object.fromEntries(
      chooseSizes(['a', 'b'], devices, {
        sizes: () => [1, 2, 3, 4],
        worth: (name, size) => worths[name]![size]!,
        devices: () => 1,
      }),
    );
  expect(chosen(1)).toEqual({ a: 1 });
  expect(chosen(4)).toEqual({ a: 3, b: 1 });
  expect(chosen(5)).toEqual({ a: 1, b: 4 });
});

test('optimus: the shortest left goes first, whatever was asked for', () => {
  const long = workload('long', { speed: measured(10, 40, 36_000), runtimeEstimateMs: 1, createdAtMs: 0 });
  const short = workload('short', { speed: measured(10, 40, 3600), createdAtMs: 1 });
  expect(starts(plan('optimus', [long, short], [node('n1', 1)]))).toEqual(['short']);
});

test('optimus: devices go where they shorten the rest most', () => {
  const shape = { members: 8, minimum: 1 };
  const scaling = workload('scaling', { ...shape, speed: measured(10, 40, 100_000) });
  const stuck = workload('stuck', { ...shape, speed: measured(10, 11, 10_000) });
  expect(sizes(plan('optimus', [stuck, scaling]))).toEqual({ scaling: 7, stuck: 1 });
});

test('goodput: who has had least service first, and a gang that is worth more elsewhere gives members up', () => {
  const fresh = workload('fresh', { createdAtMs: NOW_MS });
  const served = workload('served', { attainedDeviceSeconds: 1e6, createdAtMs: 0 });
  expect(starts(plan('goodput', [served, fresh], [node('n1', 1)]))).toEqual(['fresh']);

  const grown = (id: string, first: number, count: number, speed: Speed): Workload => {
    const at = Array.from({ length: count }, (_, index) => ['n1', first + index] as [string, number]);
    const made = running(id, at, { startedAtMs: NOW_MS - HOUR_MS, lastCheckpointAtMs: NOW_MS, speed });
    return { ...made, runsOn: 'a100', taskGroups: [{ ...made.taskGroups[0]!, count: 8, minCount: 1 }] };
  };
  const saturated = grown('saturated', 0, 6, measured(10, 10.5));
  const hungry = grown('hungry', 6, 2, measured(10, 40));
  const { resizes } = plan('goodput', [saturated, hungry]);
  expect(resizes).toMatchObject([
    { workloadId: 'saturated', reason: { code: 'shrunk', forWorkloadId: 'hungry' } },
  ]);
  const left = resizes[0]!.members.length;
  expect(left).toBeLessThan(3);
  const after = { ...saturated, allocation: resizes[0]!.members, startedAtMs: NOW_MS };
  expect(sizes(plan('goodput', [after, hungry]))).toEqual({ hungry: 8 - left });
});

test('of whom nothing was measured tries twice its least size first', () => {
  expect(sizes(plan('goodput', [workload('new', { members: 8, minimum: 1 })]))).toEqual({ new: 2 });
});

test('throughput-aware: the fast model goes to whom it helps most, and only as a wish', () => {
  const nodes = [node('n1', 1, { model: 'a100' }), node('n2', 1, { model: 'h100' })];
  const speed = (fast: number): Speed => ({
    runs: [
      { model: 'a100', members: 1, perSecond: 1 },
      { model: 'h100', members: 1, perSecond: fast },
    ],
  });
  const gains = workload('gains', { createdAtMs: 1, speed: speed(5) });
  const hardly = workload('hardly', { createdAtMs: 0, speed: speed(1.1) });
  const where = ({ placements }: Plan): Record<string, string> =>
    Object.fromEntries(placements.map(({ workloadId, members }) => [workloadId, members[0]!.nodeId]));
  expect(where(plan('throughput-aware', [hardly, gains], nodes))).toEqual({ hardly: 'n1', gains: 'n2' });
  expect(where(plan('throughput-aware', [hardly], [nodes[0]!]))).toEqual({ hardly: 'n1' });
});

test('throughput-aware: turns are taken, by what the time was worth', () => {
  const speed: Speed = {
    runs: [
      { model: 'a100', members: 1, perSecond: 1 },
      { model: 'h100', members: 1, perSecond: 9 },
    ],
  };
  const on = (id: string, model: string): Workload =>
    workload(id, { createdAtMs: 0, speed, ranForMs: HOUR_MS, ranOnMs: { [model]: HOUR_MS } });
  expect(starts(plan('throughput-aware', [on('fast', 'h100'), on('slow', 'a100')], [node('n1', 1)]))).toEqual(
    ['slow'],
  );
  const resident = (startedAtMs: number): Workload =>
    running('resident', [['n1', 0]], { createdAtMs: NOW_MS - 2 * HOUR_MS, startedAtMs });
  const waits = workload('waits', { createdAtMs: NOW_MS - 2 * HOUR_MS });
  const evicted = (startedAtMs: number): string[] =>
    plan('throughput-aware', [resident(startedAtMs), waits], [node('n1', 1)]).evictions.map(
      ({ workloadId }) => workloadId,
    );
  expect(evicted(NOW_MS - HOUR_MS)).toEqual(['resident']);
  expect(evicted(NOW_MS - 60_000)).toEqual([]);
});
