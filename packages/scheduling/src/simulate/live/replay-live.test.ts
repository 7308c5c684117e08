/** The past lived through again on a cluster as the server has it: what its operator sets decides. */
import { expect, test } from 'vitest';
import { node, queue, running, workload, type WorkloadShape } from '../../scenario.ts';
import type { LiveWorld, PastJob } from './live-world.ts';
import { replayLive } from './replay-live.ts';

const MINUTE_MS = 60_000;

const past = (
  id: string,
  atMinute: number,
  minutes: number,
  { keepsWork = true, ...shape }: WorkloadShape & { keepsWork?: boolean } = {},
): PastJob => ({
  workload: workload(id, { ...shape, createdAtMs: atMinute * MINUTE_MS }),
  workMs: minutes * MINUTE_MS,
  keepsWork,
});
const world = (parts: Partial<LiveWorld> = {}): LiveWorld => ({
  nodes: [node('n1', 8)],
  queues: [queue('main')],
  policy: {},
  ...parts,
});
/** Minute at which each ended, in the order given. */
const ends = (jobs: readonly PastJob[], parts: Partial<LiveWorld> = {}) =>
  replayLive(jobs, world(parts)).jobs.map(({ finishedAtMs }) =>
    finishedAtMs === null ? null : finishedAtMs / MINUTE_MS,
  );

test('who fits starts, who does not waits for an end', () => {
  expect(ends([past('a', 0, 10, { devices: 8 }), past('b', 1, 5, { devices: 8 })])).toEqual([10, 15]);
});

test('what stands holds its devices for ever', () => {
  const standing = [running('replica', [['n1', 0]], { devices: 4, preemptible: false })];
  const jobs = [past('fits', 0, 10, { devices: 4 }), past('never', 0, 10, { devices: 8 })];
  expect(ends(jobs, { standing })).toEqual([10, null]);
});

test('a quota that is given back evicts, and who is evicted goes on from its checkpoint or from its beginning', () => {
  const queues = [queue('main', { deserved: { devices: 8 } }), queue('guest')];
  const guest = (keepsWork: boolean) => past('guest', 0, 60, { devices: 8, queueId: 'guest', keepsWork });
  const owner = past('owner', 30, 20, { devices: 8 });
  // 30 minutes of work are left after 50; 30 s go by until it works again.
  expect(ends([guest(true), owner], { queues })).toEqual([80.5, 50]);
  expect(ends([guest(false), owner], { queues })).toEqual([110.5, 50]);
  expect(ends([guest(true), owner], { queues: [queue('main'), queue('guest')] })).toEqual([60, 80]);
});

test('with half of its members an elastic gang takes twice as long', () => {
  const gang = past('gang', 0, 30, { members: 8, minimum: 4 });
  const beside = past('beside', 0, 600, { members: 4, preemptible: false });
  expect(ends([beside, gang])[1]).toBe(60);
});

test('rules and orders decide as they do live', () => {
  const jobs = [
    past('first', 0, 10, { devices: 8 }),
    past('second', 1, 10, { devices: 8 }),
    past('urgent', 2, 10, { devices: 8, labels: { user: 'ada' } }),
  ];
  const preferred = {
    rules: [{ name: 'ada', when: 'user == "ada"', priority: 10 }],
    settings: { preemption: false },
  };
  expect(ends(jobs)).toEqual([10, 20, 30]);
  expect(ends(jobs, { policy: preferred })).toEqual([10, 30, 20]);
});

test('by default nobody is passed for longer than 40 hours and the work then under way; by shortest first for ever', () => {
  const long = past('long', 1, 30 * 60, {
    devices: 8,
    preemptible: false,
    runtimeEstimateMs: 30 * 60 * MINUTE_MS,
  });
  // A little more than the node can do, without an end in sight.
  const stream = Array.from({ length: 220 }, (_, index) =>
    past(`s${String(index).padStart(3, '0')}`, 55 * index, 60, {
      devices: 8,
      preemptible: false,
      runtimeEstimateMs: 60 * MINUTE_MS,
    }),
  );
  const waitHours = (policy: string) => {
    const { jobs } = replayLive([long, ...stream], world({ queues: [queue('main', { policy })] }));
    return (jobs[0]!.firstStartMs! / MINUTE_MS - 1) / 60;
  };
  expect(waitHours('default')).toBeLessThan(41);
  expect(waitHours('sjf')).toBeGreaterThan(200);
});

test('who looks on sees every node between full and free', () => {
  const seen: number[][] = [];
  replayLive([past('a', 0, 10, { devices: 8 }), past('b', 5, 5, { devices: 8 })], world(), {
    observer: {
      begins: (capacity) => seen.push([-1, ...Array.from(capacity)]),
      decided: ({ nowMs, waiting, free }) => seen.push([nowMs / MINUTE_MS, waiting, ...Array.from(free)]),
      finished: (job, size) => seen.push([job.preemptions, size]),
    },
  });
  expect(seen).toEqual([
    [-1, 8],
    [0, 0, 0],
    [5, 1, 0],
    [0, 8],
    [10, 0, 0],
    [0, 8],
    [15, 0, 8],
  ]);
});
