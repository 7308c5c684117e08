/** The live scheduler over a store in memory: what is queued is placed, what waits is told why, what breaks is set aside. */
import { createManualClock } from '@gantry/kit';
import { Engine, type NodeLive, planCycle } from '@gantry/scheduling';
import { expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { createHub } from '../hub.ts';
import type { JobStatusRecord } from '../jobs/job-record.ts';
import type { Progress } from '../jobs/live-progress.ts';
import { createMemoryStore } from '../testing/memory-store.ts';
import { createScheduler } from './scheduler.ts';
import { watchWrites } from './watch-writes.ts';

const GIB = 2 ** 30;

async function platform(
  options: {
    devices?: number;
    isWatched?: boolean;
    live?: () => ReadonlyMap<string, NodeLive>;
  } = {},
) {
  const memory = createMemoryStore();
  const store = watchWrites(memory);
  const clock = createManualClock(1_000_000);
  const errors: object[] = [];
  const started: string[] = [];
  const stopped: string[] = [];
  const progress = new Map<string, Progress>();
  const log = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: object) => void errors.push(fields),
  };
  let port = 20_000;
  const deps = { store, clock, log, places: { freePort: async () => port++ } } as unknown as Deps;
  const hub = createHub();
  const tenantId = 'ten_1';
  const row = { tenantId, status: {} };
  await store.tx({ platform: true }, async (tx) => {
    const device = { kind: 'gpu', model: 'a100', memoryBytes: 80 * GIB, healthy: true };
    for (const name of ['n1', 'n2'])
      await tx.insert({
        ...row,
        kind: 'node',
        id: name,
        name,
        state: 'ready',
        spec: {
          cpuMilli: 64_000,
          memoryBytes: 512 * GIB,
          storageBytes: 0,
          labels: {},
          topology: [name],
          address: '',
          devices: Array.from({ length: options.devices ?? 4 }, (_, at) => ({
            ...device,
            id: `${name}/${at}`,
          })),
          facts: {},
        },
      });
    await tx.insert({
      ...row,
      kind: 'queue',
      id: 'que_1',
      name: 'default',
      state: 'open',
      spec: { deserved: {}, limit: {}, weight: 1, priority: 0 },
    });
  });
  const open = () =>
    createScheduler(
      deps,
      hub,
      {
        jobs: {
          ensureStarted: async (id: string) => void started.push(id),
          progressOf: (id: string) => progress.get(id),
          stop: async (id: string) => void stopped.push(id),
        } as never,
        ensureReplica: async () => undefined,
      },
      {
        ...(options.isWatched === false ? {} : { writes: store }),
        ...(options.live === undefined ? {} : { live: options.live }),
      },
    );
  let scheduler = open();
  /** Another server goes on with the same store. */
  const restart = async (): Promise<void> => {
    await scheduler[Symbol.asyncDispose]();
    scheduler = open();
  };
  const submit = (id: string, gpu: number, more: object = {}): Promise<unknown> =>
    store.tx({ platform: true }, (tx) =>
      tx.insert({
        kind: 'job',
        id,
        tenantId,
        name: id,
        state: 'queued',
        spec: {
          queueId: 'que_1',
          queue: 'default',
          user: 'u',
          job: {
            priority: 0,
            preemptible: true,
            timeLimit: 3_600_000,
            resources: { cpu: 1, memory: GIB, gpu },
            ...more,
          },
        },
        status: { attempts: [], userRetriesUsed: 0, platformRestarts: 0 },
      }),
    );
  const job = (id: string) => store.read({ platform: true }, (tx) => tx.get('job', id));
  const round = async (): Promise<void> => {
    scheduler.poke();
    await scheduler.idle();
  };
  return {
    memory,
    store,
    get scheduler() {
      return scheduler;
    },
    submit,
    job,
    round,
    restart,
    errors,
    started,
    stopped,
    clock,
    progress,
  };
}

test('queued jobs are placed with an attempt and an event, and started after the commit', async () => {
  const { submit, round, job, started, memory } = await platform();
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
  const { submit, round, job, scheduler, memory } = await platform();
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
    const { submit, round, scheduler, memory } = await platform({ isWatched });
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
  const { submit, round, job, memory, scheduler, started } = await platform();
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
  const { submit, round, job, scheduler } = await platform();
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
  const { submit, round, job, scheduler, errors } = await platform();
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
  const { submit, round, scheduler } = await platform();
  await submit('job_a', 3);
  await submit('job_b', 8);
  await round();
  const [decision] = scheduler.decisions.list();
  expect(decision?.plan?.placements.map(({ workloadId }) => workloadId)).toEqual(['job_a']);
  expect(planCycle(structuredClone(decision!.snapshot))).toEqual(decision!.plan);
});

test('a policy and the labels of nodes take effect with the next cycle', async () => {
  const { submit, round, store, scheduler } = await platform();
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
  const { submit, round, memory, scheduler, started } = await platform();
  await submit('job_a', 1);
  memory.failWith = new Error('the database is away');
  await round();
  expect(scheduler.stats.failures).toBe(1);
  memory.failWith = undefined;
  await round();
  expect(started).toEqual(['job_a']);
});

test('what waits is told when it should start, from what its like took before', async () => {
  const { submit, round, scheduler, store, clock } = await platform();
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
  const { submit, round, scheduler, progress } = await platform();
  for (const name of ['a', 'b', 'c']) await submit(name, 4, { preemptible: false });
  await round();
  expect(scheduler.waitingOf('c')?.estimatedStart?.p50).toBe(new Date(1_000_000 + 3_600_000).toISOString());
  progress.set('a', { at: new Date(1_000_000).toISOString(), etaSeconds: 120 });
  await round();
  expect(scheduler.waitingOf('c')?.estimatedStart?.p50).toBe(new Date(1_000_000 + 120_000).toISOString());
});

test('the one that gives way is the one that has just saved its work, and the room is kept', async () => {
  const { submit, round, scheduler, progress, stopped, clock } = await platform();
  for (const name of ['unsaved', 'saved']) await submit(name, 4);
  await round();
  clock.advance(600_000);
  const at = new Date(1_600_000).toISOString();
  const half = { at, etaSeconds: 600, step: 50, totalSteps: 100 };
  progress.set('unsaved', { ...half, checkpointStep: 5 });
  progress.set('saved', { ...half, checkpointStep: 49 });
  await submit('urgent', 4, { priority: 9 });
  await round();
  expect(stopped).toEqual(['saved']);
  expect(scheduler.stats).toMatchObject({
    evictionsByReason: { preempted: 1 },
    waitingByPolicy: { default: 1 },
  });
  await round();
  expect(scheduler.snapshot().workloads.find(({ id }) => id === 'urgent')?.kept).toMatchObject({
    why: 'claimed',
    nodeIds: ['n1'],
  });
});

test('the room is kept by the next server, too: who was evicted for a job does not go for somebody else', async () => {
  const { submit, round, restart, job, store, stopped } = await platform();
  for (const name of ['victim', 'other']) await submit(name, 4);
  await round();
  await submit('first', 4, { priority: 9 });
  await round();
  const [victim] = stopped;
  expect((await job('first'))?.status).toMatchObject({ claim: { nodeIds: [expect.any(String)] } });
  await restart();
  await store.tx({ platform: true }, (tx) => tx.update('job', victim!, { state: 'cancelled' }));
  // Without the claim it would go first.
  await submit('later', 4, { priority: 10 });
  await round();
  expect((await job('first'))?.state).toBe('starting');
  expect((await job('first'))?.status).not.toHaveProperty('claim');
  expect((await job('later'))?.state).toBe('queued');
});

test('nobody is evicted for a room that could not be written down; it is made with the next cycle', async () => {
  const { submit, round, job, memory, store, stopped } = await platform();
  for (const name of ['one', 'two']) await submit(name, 4);
  await round();
  await submit('urgent', 4, { priority: 9 });
  const updateMany = vi.fn();
  const tx = memory.tx.bind(memory);
  // Its owner edits it just as the plan is made.
  memory.tx = async (scope, fn) =>
    tx(scope, async (inner) => {
      const write = inner.updateMany.bind(inner);
      inner.updateMany = async (kind, changes) => {
        updateMany();
        if (updateMany.mock.calls.length === 1) await inner.update('job', 'urgent', { state: 'queued' });
        return write(kind, changes);
      };
      return fn(inner);
    });
  await round();
  expect(stopped).toEqual([]);
  memory.tx = tx;
  await store.tx({ platform: true }, (inner) => inner.update('job', 'urgent', { state: 'queued' }));
  await round();
  expect(stopped).toHaveLength(1);
  expect((await job('urgent'))?.status).toMatchObject({ claim: { until: expect.any(String) } });
});

test('a connection that breaks at the end of a read costs nothing: no job is placed twice', async () => {
  const { submit, round, job, started, memory } = await platform();
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

test('how fast a job runs on what, as it reports itself, is in the snapshot of every cycle', async () => {
  const { submit, round, scheduler, progress } = await platform();
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

test.each([
  ['nothing', undefined, 'n1'],
  ['n2', 's3://bucket/corpus', 'n2'],
  ['n2, of other data', 's3://bucket/corpus-2', 'n1'],
])('among equal nodes a job goes where its data lies: told of %s', async (_, key, node) => {
  const cached = new Map<string, NodeLive>(key === undefined ? [] : [['n2', { cached: [key] }]]);
  const { submit, round, job, store } = await platform({ live: () => cached });
  await round();
  // A changed node makes the engine anew; it is told again.
  await store.tx({ platform: true }, (tx) => tx.update('node', 'n1', { status: { seen: true } }));
  await round();
  await submit('job_a', 1, { volumes: [{ s3: 's3://bucket/corpus/', mount: 'in', readOnly: true }] });
  await round();
  expect((await job('job_a'))?.status).toMatchObject({ attempts: [{ placement: [{ node }] }] });
});

test('among equal nodes a job goes to the one that is less busy; a flutter is no news to the planner', async () => {
  let load = 0.9;
  const live = () =>
    new Map<string, NodeLive>([
      ['n1', { load }],
      ['n2', { load: 0.1 }],
    ]);
  const setLive = vi.spyOn(Engine.prototype, 'setLive');
  const { submit, round, job } = await platform({ live });
  await submit('job_a', 1);
  await round();
  expect((await job('job_a'))?.status).toMatchObject({ attempts: [{ placement: [{ node: 'n2' }] }] });
  const times = setLive.mock.calls.length;
  load = 0.93;
  await round();
  expect(setLive).toHaveBeenCalledTimes(times);
  load = 0.3;
  await round();
  expect(setLive).toHaveBeenCalledTimes(times + 1);
  setLive.mockRestore();
});

test('a new server knows from ended jobs how fast their like runs', async () => {
  const cluster = await platform();
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

test('when the reason of a wait becomes another, an event says so, and only then', async () => {
  const { submit, round, store, memory } = await platform();
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
