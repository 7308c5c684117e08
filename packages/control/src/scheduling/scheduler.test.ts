/** The live scheduler over a store in memory: what is queued is placed, what waits is told why, what breaks is set aside. */
import { Engine, planCycle } from '@gantry/scheduling';
import { expect, test, vi } from 'vitest';
import type { JobStatusRecord } from '../jobs/job-record.ts';
import { schedulerPlatform } from '../testing/scheduler-platform.ts';

test('queued jobs are placed with an attempt and an event, and started after the commit', async () => {
  const { submit, round, job, started, memory } = await schedulerPlatform();
  await submit('job_a', 4);
  await submit('job_b', 4);
  await round();
  expect((await job('job_a'))?.state).toBe('starting');
  expect(started).toEqual(['job_a', 'job_b']);
  const status = (await job('job_b'))?.status as JobStatusRecord;
  expect(status.attempts).toMatchObject([{ epoch: 1, state: 'starting', placement: [{ rank: 0 }] }]);
  expect(memory.events.map(({ type }) => type)).toEqual(['job.placed', 'job.placed']);
});

test('what waits is told why once, and its place in the line from memory', async () => {
  const { submit, round, job, scheduler, memory } = await schedulerPlatform();
  for (const id of ['job_a', 'job_b', 'job_c', 'job_d']) await submit(id, 4, { preemptible: false });
  await round();
  expect(scheduler.waitingOf('job_d')).toMatchObject({ position: 2, ahead: ['job_c'] });
  expect((await job('job_c'))?.status).toMatchObject({
    waiting: { reasons: [{ code: 'insufficient_capacity' }] },
  });
  const { version } = (await job('job_c'))!;
  await submit('job_0', 4, { priority: 100 });
  await round();
  expect(scheduler.waitingOf('job_c')).toMatchObject({ position: 2, ahead: ['job_0'] });
  expect((await job('job_c'))?.version).toBe(version);
  expect(memory.events.filter(({ type }) => type === 'job.waiting')).toHaveLength(3);
});

test('with writes watched only what changed is read; without, the outcome is the same', async () => {
  for (const isWatched of [true, false]) {
    const { submit, round, scheduler, memory } = await schedulerPlatform({ isWatched });
    await submit('job_a', 4);
    await round();
    await submit('job_b', 4);
    await submit('job_c', 8);
    await round();
    expect(scheduler.snapshot().workloads.map(({ id, state }) => [id, state])).toEqual(
      isWatched ? expect.arrayContaining([['job_b', 'pending']]) : expect.anything(),
    );
    await round();
    expect(
      scheduler
        .snapshot()
        .workloads.map(({ id, state }) => `${id} ${state}`)
        .sort(),
    ).toEqual(['job_a running', 'job_b running', 'job_c pending']);
    expect(memory.queries).toBeGreaterThan(0);
  }
});

test('a row that somebody else moved is read again and planned anew, not twice', async () => {
  const { submit, round, job, memory, scheduler, started } = await schedulerPlatform();
  await submit('job_a', 4);
  await submit('job_b', 4);
  // Behind the back of the watched store, as another process would.
  const behind = () =>
    memory.tx({ platform: true }, (tx) => tx.update('job', 'job_a', { state: 'cancelled' }));
  await round();
  await submit('job_c', 8);
  await round();
  await behind();
  scheduler.note('job', 'job_a');
  await memory.tx({ platform: true }, (tx) => tx.update('job', 'job_b', { state: 'done' }));
  scheduler.note('job', 'job_b');
  await round();
  expect((await job('job_a'))?.state).toBe('cancelled');
  expect(started.filter((id) => id === 'job_a')).toHaveLength(1);
});

test('a job that contradicts itself is set aside with its reason; the others go on', async () => {
  const { submit, round, job, scheduler } = await schedulerPlatform();
  await submit('job_bad', -1);
  await submit('job_good', 1);
  await round();
  expect((await job('job_good'))?.state).toBe('starting');
  expect(scheduler.waitingOf('job_bad')?.reasons).toMatchObject([
    { code: 'set_aside', tier: 'misconfigured' },
  ]);
  expect((await job('job_bad'))?.status).toMatchObject({ waiting: { reasons: [{ code: 'set_aside' }] } });
});

test('a cycle that throws is kept with its snapshot, and the next one plans again', async () => {
  const { submit, round, job, scheduler, errors } = await schedulerPlatform();
  const plan = vi.spyOn(Engine.prototype, 'plan').mockImplementationOnce(() => {
    throw new Error('boom');
  });
  await submit('job_a', 1);
  await round();
  plan.mockRestore();
  const [failed] = scheduler.decisions.list();
  expect(failed).toMatchObject({
    plan: null,
    error: 'Error: boom',
    snapshot: { workloads: [{ id: 'job_a' }] },
  });
  expect(errors).toMatchObject([{ decision: failed?.number }]);
  await round();
  expect((await job('job_a'))?.state).toBe('starting');
  expect(scheduler.decisions.list()[0]?.number).toBeGreaterThan(failed!.number);
});

test('every cycle leaves a decision that gives the same plan again', async () => {
  const { submit, round, scheduler } = await schedulerPlatform();
  await submit('job_a', 3);
  await submit('job_b', 8);
  await round();
  const [decision] = scheduler.decisions.list();
  expect(decision?.plan?.placements.map(({ workloadId }) => workloadId)).toEqual(['job_a']);
  expect(planCycle(structuredClone(decision!.snapshot))).toEqual(decision!.plan);
});

test('a policy and the labels of nodes take effect with the next cycle', async () => {
  const { submit, round, store, scheduler } = await schedulerPlatform();
  await submit('job_long', 4, { timeLimit: 90_000_000, topology: { required: 'pod' } });
  await round();
  expect(scheduler.waitingOf('job_long')?.reasons).toMatchObject([{ code: 'unknown_topology_level' }]);
  await store.tx({ platform: true }, (tx) =>
    tx.insert({
      kind: 'policy',
      id: 'pol_1',
      tenantId: 'ten_1',
      name: 'scheduling',
      state: 'active',
      spec: { order: 'sjf', topology: { levels: ['pod'], nodes: { n1: ['p1'], n2: ['p2'] } } },
      status: {},
    }),
  );
  await submit('job_short', 4, { timeLimit: 1000 });
  await submit('job_middle', 4, { timeLimit: 2000 });
  await round();
  expect(scheduler.decisions.list()[0]?.plan?.placements.map(({ workloadId }) => workloadId)).toEqual([
    'job_short',
    'job_middle',
  ]);
  expect(scheduler.waitingOf('job_long')?.reasons).toMatchObject([{ code: 'topology_not_satisfied' }]);
});

test('while the store is away nothing is lost: the next cycle reads what this one could not', async () => {
  const { submit, round, memory, scheduler, started } = await schedulerPlatform();
  await submit('job_a', 1);
  memory.failWith = new Error('the database is away');
  await round();
  expect(scheduler.stats.failures).toBe(1);
  memory.failWith = undefined;
  await round();
  expect(started).toEqual(['job_a']);
});

test('a connection that breaks at the end of a read costs nothing: no job is placed twice', async () => {
  const { submit, round, job, started, memory } = await schedulerPlatform();
  await submit('job_a', 4);
  await round();
  const read = memory.read.bind(memory);
  memory.read = async (scope, fn) => {
    memory.read = read;
    await read(scope, fn);
    throw new Error('the connection broke');
  };
  await round();
  await submit('job_b', 4);
  await round();
  expect(started).toEqual(['job_a', 'job_b']);
  const status = (await job('job_a'))?.status as JobStatusRecord;
  expect(status.attempts).toHaveLength(1);
});

test('when the reason of a wait becomes another, an event says so, and only then', async () => {
  const { submit, round, store, memory } = await schedulerPlatform();
  for (const name of ['a', 'b', 'waits']) await submit(name, 4, { preemptible: false });
  const said = () =>
    memory.events
      .filter(({ type, resourceId }) => type === 'job.waiting' && resourceId === 'waits')
      .map(({ reason }) => JSON.stringify(reason));
  await round();
  await round();
  expect(said()).toEqual([expect.stringContaining('free')]);
  await store.tx({ platform: true }, (tx) =>
    tx.update('queue', 'que_1', { spec: { deserved: {}, limit: { devices: 8 }, weight: 1, priority: 0 } }),
  );
  await round();
  await round();
  expect(said()).toHaveLength(2);
  expect(said()[1]).toContain('limit');
});
