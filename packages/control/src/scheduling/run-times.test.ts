/** When a job starts and ends, from what it says itself and from what its like took before. */
import { expect, test } from 'vitest';
import type { JobStatusRecord } from '../jobs/job-record.ts';
import { schedulerPlatform } from '../testing/scheduler-platform.ts';

test('what waits is told when it should start, from what its like took before', async () => {
  const { submit, round, scheduler, store, clock } = await schedulerPlatform();
  const minutes = (count: number): string => new Date(1_000_000 + count * 60_000).toISOString();
  const ended = (id: string, startedAt: string, endedAt: string) =>
    store.tx({ platform: true }, async (tx) => {
      const row = (await tx.get('job', id))!;
      const status = row.status as JobStatusRecord;
      const attempts = status.attempts.map((attempt) => ({
        ...attempt,
        state: 'ended' as const,
        startedAt,
        endedAt,
      }));
      await tx.update('job', id, { state: 'succeeded', status: { ...status, attempts } });
    });
  for (const name of ['train-1', 'train-2', 'train-3']) {
    await submit(name, 4);
    await round();
    await ended(name, minutes(0), minutes(10));
  }
  await round();
  for (const name of ['train-4', 'train-5', 'train-6']) await submit(name, 4, { preemptible: false });
  await round();
  expect(scheduler.waitingOf('train-6')?.estimatedStart).toEqual({
    p50: minutes(10),
    p90: minutes(10),
    learnedFrom: 0,
  });
  clock.advance(60_000);
  expect(scheduler.waitingOf('train-4')).toBeUndefined();
});

test('a running job says itself when it will be done', async () => {
  const { submit, round, scheduler, progress } = await schedulerPlatform();
  for (const name of ['a', 'b', 'c']) await submit(name, 4, { preemptible: false });
  await round();
  expect(scheduler.waitingOf('c')?.estimatedStart?.p50).toBe(new Date(1_000_000 + 3_600_000).toISOString());
  progress.set('a', { at: new Date(1_000_000).toISOString(), etaSeconds: 120 });
  await round();
  expect(scheduler.waitingOf('c')?.estimatedStart?.p50).toBe(new Date(1_000_000 + 120_000).toISOString());
});

test('how fast a job runs on what, as it reports itself, is in the snapshot of every cycle', async () => {
  const { submit, round, scheduler, progress } = await schedulerPlatform();
  const train = { train: { recipe: 'language-model', steps: 1_000 } };
  await submit('job_a', 1, train);
  await round();
  progress.set('job_a', { step: 200, totalSteps: 1_000, etaSeconds: 80, at: '2026-01-01T00:00:00Z' });
  await round();
  await submit('job_b', 1, { ...train, priority: 1 });
  await round();
  const runs = [{ model: 'a100', members: 1, perSecond: 10 }];
  const workloads = new Map(scheduler.snapshot().workloads.map((workload) => [workload.id, workload]));
  expect(workloads.get('job_a')).toMatchObject({ runsOn: 'a100', speed: { runs, left: 800 } });
  expect(workloads.get('job_b')).toMatchObject({ speed: { runs, left: 1_000 } });
});

test('a new server knows from ended jobs how fast their like runs', async () => {
  const cluster = await schedulerPlatform();
  const { submit, round, restart, job, store } = cluster;
  const train = { train: { recipe: 'language-model', steps: 1_000 } };
  await submit('job_old', 1, train);
  await round();
  const status = (await job('job_old'))?.status as JobStatusRecord;
  const times = { startedAt: '2026-01-01T00:00:00Z', endedAt: '2026-01-01T00:01:40Z' };
  await store.tx({ platform: true }, (tx) =>
    tx.update('job', 'job_old', {
      state: 'succeeded',
      status: {
        ...status,
        attempts: status.attempts.map((attempt) => ({ ...attempt, ...times, state: 'ended' })),
        progress: { step: 1_000, totalSteps: 1_000 },
      },
    }),
  );
  await restart();
  await submit('job_new', 1, train);
  await round();
  expect(cluster.scheduler.snapshot().workloads).toMatchObject([
    { id: 'job_new', speed: { runs: [{ model: 'a100', members: 1, perSecond: 10 }] } },
  ]);
});
