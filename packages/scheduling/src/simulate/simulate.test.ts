import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openbNodes } from '../fixtures/openb-nodes.ts';
import { openbPods } from '../fixtures/openb-pods.ts';
import { phillyJobs } from '../fixtures/philly-jobs.ts';
import { parsePhilly } from './job-traces.ts';
import { parseOpenbNodes, parseOpenbPods, runOpenb } from './openb.ts';
import { REPLAY_POLICIES } from './replay-policies.ts';
import type { ReplayJob } from './live-job.ts';
import { replay } from './replay.ts';

const job = (id: string, arrivalSeconds: number, durationSeconds: number, devices: number): ReplayJob => ({
  id,
  arrivalSeconds,
  durationSeconds,
  devices,
});

test('on an extract of openb the shadow price allocates at least as much as spreading, whatever the ties', () => {
  const nodes = parseOpenbNodes('nodes', openbNodes);
  const pods = parseOpenbPods('pods', openbPods);
  const ours = runOpenb(nodes, pods, 'shadow-price', 1).allocationPercentAt100;
  expect(ours).toBeGreaterThan(runOpenb(nodes, pods, 'worst-fit', 1).allocationPercentAt100);
  expect(
    runOpenb(nodes, pods, 'shadow-price', 1, { randomTies: true }).allocationPercentAt100,
  ).toBeGreaterThan(runOpenb(nodes, pods, 'worst-fit', 1).allocationPercentAt100);
  expect(runOpenb(nodes, pods, 'shadow-price', 1).allocationPercentAt100).toBe(ours);
});

test('one job at a time: fifo waits its turn to the second', () => {
  const result = replay(
    [job('a', 0, 100, 8), job('b', 10, 50, 8)],
    { devices: 8, devicesPerNode: 8 },
    'fifo',
  );
  expect(result).toMatchObject({
    averageJctSeconds: (100 + 140) / 2,
    maxWaitSeconds: 90,
    makespanSeconds: 150,
    preemptions: 0,
    unfinished: 0,
  });
});

test('backfill passes the head only beside its reservation; the oracle also lets short ones through', () => {
  const jobs = [job('running', 0, 1000, 6), job('head', 1, 100, 8), job('short', 2, 100, 2)];
  const cluster = { devices: 8, devicesPerNode: 8 };
  expect(replay(jobs, cluster, 'fifo').maxWaitSeconds).toBe(1098);
  expect(replay(jobs, cluster, 'fifo-backfill-oracle').maxWaitSeconds).toBe(999);
});

test('a preempted job pays its restart', () => {
  const result = replay(
    [job('long', 0, 10_000, 8), job('short', 5000, 100, 8)],
    { devices: 8, devicesPerNode: 8 },
    'srtf-oracle',
  );
  expect(result).toMatchObject({ preemptions: 1, makespanSeconds: 10_000 + 100 + 30 });
});

test('every policy finishes every job, in no less than its own time', () => {
  const jobs = parsePhilly('philly', phillyJobs);
  for (const policy of Object.keys(REPLAY_POLICIES)) {
    const result = replay(jobs, { devices: 16, devicesPerNode: 8 }, policy);
    expect(result.unfinished).toBe(jobs.filter(({ devices }) => devices > 16).length);
    expect(result.averageQueueSeconds).toBeGreaterThanOrEqual(0);
  }
});

test('random job lists: all policies end, and the same list gives the same result', () => {
  const arbitraryJobs = fc
    .array(
      fc.tuple(
        fc.integer({ min: 0, max: 5000 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.constantFrom(1, 1, 1, 2, 4, 8, 12, 16),
      ),
      { minLength: 1, maxLength: 40 },
    )
    .map((rows) =>
      rows.map(([arrival, duration, devices], index) => job(`j${index}`, arrival, duration, devices)),
    );
  fc.assert(
    fc.property(arbitraryJobs, fc.constantFrom(...Object.keys(REPLAY_POLICIES)), (jobs, policy) => {
      const result = replay(jobs, { devices: 24, devicesPerNode: 8 }, policy);
      expect(result.unfinished).toBe(0);
      expect(result.averageQueueSeconds).toBeGreaterThanOrEqual(-1e-6);
      expect(replay(jobs, { devices: 24, devicesPerNode: 8 }, policy)).toEqual(result);
    }),
    { seed: 7, numRuns: 60 },
  );
});

test.each([
  ['a missing column', 'timestamp,duration\n', 'philly line 1: missing column num_gpus.'],
  [
    'a negative time',
    'timestamp,duration,num_gpus\n2017-10-09 07:01:55,-1,1\n',
    'philly line 2: duration is "-1".',
  ],
  [
    'a broken date',
    'timestamp,duration,num_gpus\nyesterday,1,1\n',
    'philly line 2: timestamp is "yesterday".',
  ],
])('%s is named with its line', (_, content, message) => {
  expect(() => parsePhilly('philly', content)).toThrow(
    expect.objectContaining({ message, code: 'trace_invalid', hint: expect.any(String) }),
  );
});
