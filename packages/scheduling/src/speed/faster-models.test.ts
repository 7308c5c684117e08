/** Running work goes on where it is faster, when nobody who waits wants the place and it is done sooner for it. */
import { expect, test } from 'vitest';
import { planCycle } from '../plan-cycle.ts';
import { node, queue, residents, running, snapshot, workload, type WorkloadShape } from '../scenario.ts';
import type { QueueNode } from '../snapshot.ts';

const MINUTE_MS = 60_000;
const NOW_MS = 100 * MINUTE_MS;
const nodes = [node('slow', 4, { model: 'a100' }), node('fast', 4, { model: 'h100' })];
const speed = {
  runs: [
    { model: 'a100', members: 2, perSecond: 1 },
    { model: 'h100', members: 2, perSecond: 4 },
  ],
};
/** Two members on the slow node, from that device on. */
const job = (more: WorkloadShape = {}, id = 'job', first = 0) =>
  running(
    id,
    [
      ['slow', first],
      ['slow', first + 1],
    ],
    {
      startedAtMs: NOW_MS - 30 * MINUTE_MS,
      lastCheckpointAtMs: NOW_MS - MINUTE_MS,
      runtimeEstimateMs: 90 * MINUTE_MS,
      runsOn: 'a100',
      speed,
      ...more,
    },
  );

function relocated(
  workloads: readonly ReturnType<typeof job>[],
  { moves = 5, ...own }: { moves?: number } & Partial<QueueNode> = {},
) {
  const queues = [queue('main', { policy: 'throughput-aware', ...own })];
  const { resizes, placements } = planCycle(
    snapshot({ nowMs: NOW_MS, nodes, queues, workloads: [...workloads] }),
    { moves },
  );
  const to = resizes.map(({ workloadId, members, reason }) => [
    workloadId,
    reason.code,
    ...members.map(({ nodeId }) => nodeId),
  ]);
  return { to, starts: placements.map(({ workloadId }) => workloadId) };
}

test('onto the model that it runs four times as fast on, as many members as before', () => {
  expect(relocated([job()]).to).toEqual([['job', 'relocated', 'fast', 'fast']]);
});

test.each([
  ['it has just started', { startedAtMs: NOW_MS - MINUTE_MS }],
  ['it is nearly done', { runtimeEstimateMs: 31 * MINUTE_MS }],
  ['nobody knows when it is done', { runtimeEstimateMs: undefined }],
  ['it would do an hour again', { lastCheckpointAtMs: undefined, startedAtMs: NOW_MS - 95 * MINUTE_MS }],
  ['it may not be stopped', { preemptible: false }],
  ['it is on the faster one already', { runsOn: 'h100' }],
])('not when %s', (_why, more) => {
  expect(relocated([job(more as WorkloadShape)]).to).toEqual([]);
});

test('not without moves that are allowed, room for both places in the quota, or another order', () => {
  expect(relocated([job()], { moves: 0 }).to).toEqual([]);
  expect(relocated([job()], { limit: { devices: 3 } }).to).toEqual([]);
  expect(relocated([job()], { policy: 'fifo' }).to).toEqual([]);
});

test('who waits has the fast devices first', () => {
  const waits = workload('waits', { members: 3, createdAtMs: 1 });
  const full = residents('full', 'slow', 2, 4, { startedAtMs: 0 });
  expect(relocated([job(), ...full, waits])).toEqual({ to: [], starts: ['waits'] });
});

test('the one that saves most goes first, and nobody takes its place', () => {
  const longer = job({ runtimeEstimateMs: 900 * MINUTE_MS }, 'longer', 2);
  const beside = running('beside', [['fast', 3]], { startedAtMs: 0 });
  expect(relocated([job(), longer, beside]).to).toEqual([['longer', 'relocated', 'fast', 'fast']]);
});
