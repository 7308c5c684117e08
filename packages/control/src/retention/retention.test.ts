import { jobSpecSchema, type JobSpecInput } from '@gantry/contract';
import { type ManualClock, createManualClock } from '@gantry/kit';
import type { ListedWorker, NewRow } from '@gantry/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '../deps.ts';
import { type Hub, createHub } from '../hub.ts';
import type { JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import { type MemoryStore, createMemoryStore } from '../testing/memory-store.ts';
import { defaultKeepPolicy } from './keep-policy.ts';
import type { FoundFolder } from './kept-files.ts';
import { type Retention, createRetention } from './retention.ts';

const hour = 3_600_000;
const day = 24 * hour;
const startMs = Date.UTC(2026, 0, 1);

/** One machine: folders are names, blobs are moments of last use. */
let machine: {
  workers: ListedWorker[];
  runs: Map<string, { modifiedMs: number; folders: Set<string> }>;
  caches: FoundFolder[];
  blobs: Map<string, number>;
};
let clock: ManualClock;
let store: MemoryStore;
let hub: Hub;
let retention: Retention;

beforeEach(() => {
  machine = { workers: [], runs: new Map(), caches: [], blobs: new Map() };
  clock = createManualClock(startMs);
  store = createMemoryStore();
  hub = createHub();
  const log = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: object) => expect.fail(JSON.stringify(fields)),
  };
  // Only these parts are looked at.
  const deps = {
    store,
    clock,
    log,
    runner: {
      list: async () => machine.workers,
      remove: async (id: string, { keepLogs = false } = {}) => {
        machine.workers = machine.workers.flatMap((worker) =>
          worker.workerId !== id ? [worker] : keepLogs ? [{ ...worker, isTrimmed: true }] : [],
        );
      },
    },
    places: {
      removeRun: async (id: string) => (machine.runs.delete(id) ? 100 : 0),
    },
    blobs: {
      list: async function* () {
        yield* machine.blobs.keys();
      },
      stat: async (digest: string) => ({ bytes: 10, usedAtMs: machine.blobs.get(digest) ?? 0 }),
      markUsed: async (digest: string) => void machine.blobs.set(digest, clock.nowMs()),
      delete: async (digest: string) => machine.blobs.delete(digest),
    },
  } as unknown as Deps;
  retention = createRetention(deps, hub, {
    policy: defaultKeepPolicy,
    tenantId: 'sys',
    files: {
      runs: async () => [...machine.runs].map(([id, { modifiedMs }]) => ({ id, modifiedMs })),
      removeFromRun: async (id, names) => {
        const gone = names.filter((name) => machine.runs.get(id)?.folders.delete(name));
        return gone.length === 0 ? undefined : gone.length;
      },
      modelCaches: async () => machine.caches,
      removeModelCache: async (id) => {
        machine.caches = machine.caches.filter((each) => each.id !== id);
        return 1;
      },
    },
  });
});
afterEach(() => retention[Symbol.asyncDispose]());

const put = (...rows: readonly NewRow[]) =>
  store.tx({ platform: true }, async (tx) => {
    for (const row of rows) await tx.insert(row);
  });
const row = (kind: string, id: string, state: string, spec: unknown, status: unknown = {}): NewRow => ({
  kind,
  id,
  tenantId: 'ten',
  name: id,
  state,
  spec,
  status,
});
const job = (id: string, state: string, spec: JobSpecInput, status: Partial<JobStatusRecord> = {}): NewRow =>
  row(
    'job',
    id,
    state,
    {
      job: jobSpecSchema.parse(spec),
      user: 'ada',
      queueId: 'q',
      queue: 'default',
    } satisfies JobSpecRecord,
    { attempts: [], userRetriesUsed: 0, platformRestarts: 0, ...status } satisfies JobStatusRecord,
  );
const worker = (workerId: string, endedAtMs: number | undefined, jobId = 'job_a'): ListedWorker => ({
  workerId,
  jobId,
  state: endedAtMs === undefined ? 'running' : 'exited',
  ...(endedAtMs === undefined ? {} : { endedAtMs }),
  isAcknowledged: true,
  isTrimmed: false,
});
const statusOf = async (id: string): Promise<JobStatusRecord> =>
  (await store.read({ platform: true }, (tx) => tx.get('job', id)))?.status as JobStatusRecord;
const pass = async (milliseconds: number): Promise<void> => {
  clock.advance(milliseconds);
  await retention.sweep();
};

describe('workers that ended', () => {
  it('lose their scratch files after a day and their logs after two weeks, and the job says so', async () => {
    await put(job('job_a', 'succeeded', { command: 'true' }));
    machine.workers = [worker('w', startMs), worker('still-runs', undefined)];
    await pass(day - 1);
    expect(machine.workers).toMatchObject([{ isTrimmed: false }, {}]);
    await pass(1);
    expect(machine.workers).toMatchObject([{ workerId: 'w', isTrimmed: true }, { workerId: 'still-runs' }]);
    await pass(13 * day);
    expect(machine.workers.map(({ workerId }) => workerId)).toEqual(['still-runs']);
    expect(await statusOf('job_a')).toMatchObject({ notes: ['its logs were removed 14 d after its end'] });
    expect(store.events.map(({ type, actor }) => [type, actor])).toEqual([
      ['storage.swept', 'retention'],
      ['job.files_removed', 'retention'],
      ['storage.swept', 'retention'],
    ]);
  });

  it('keep everything while their attempt is not yet ended in the books', async () => {
    const attempt = {
      id: 'att_1',
      epoch: 1,
      state: 'running',
      placement: [{ rank: 0, node: 'n', devices: [] }],
      masterPort: 1,
      placedAt: '2026-01-01T00:00:00Z',
    } as const;
    await put(job('job_a', 'running', { command: 'true' }, { attempts: [attempt] }));
    await put(row('replica', 'rpl_1', 'ready', {}, { workerId: 'rep_1', restarts: 0 }));
    machine.workers = [worker('att_1-0', startMs), worker('rep_1', startMs, 'rpl_1')];
    await pass(30 * day);
    expect(machine.workers).toMatchObject([{ isTrimmed: false }, { isTrimmed: false }]);
  });
});

describe('run folders', () => {
  const trained: JobSpecInput = { train: { recipe: 'language-model', data: ['x'] } };
  const endedAt = new Date(startMs).toISOString();
  const run = (...folders: string[]) => ({ modifiedMs: startMs, folders: new Set(folders) });

  it('lose checkpoints and scratch two weeks after the end, the rest after ninety days', async () => {
    const progress = { step: 9, checkpointStep: 8, checkpointPath: '/x' };
    await put(job('job_a', 'succeeded', trained, { endedAt, progress }), job('job_b', 'running', trained));
    machine.runs.set('job_a', run('checkpoints', 'data', 'export', 'mine'));
    machine.runs.set('job_b', run('checkpoints'));
    await pass(14 * day);
    expect(machine.runs.get('job_a')?.folders).toEqual(new Set(['mine']));
    expect(await statusOf('job_a')).toMatchObject({
      progress: { step: 9 },
      notes: ['its checkpoints were removed 14 d after its end'],
    });
    expect((await statusOf('job_a')).progress).not.toHaveProperty('checkpointStep');
    await pass(76 * day);
    expect([...machine.runs.keys()]).toEqual(['job_b']);
    expect(machine.runs.get('job_b')?.folders).toEqual(new Set(['checkpoints']));
  });

  it("leave a command's own folders alone until the whole folder goes", async () => {
    await put(job('job_a', 'failed', { command: 'true' }, { endedAt }));
    machine.runs.set('job_a', run('checkpoints', 'data', 'export'));
    await pass(20 * day);
    expect(machine.runs.get('job_a')?.folders).toEqual(new Set(['data', 'export']));
  });

  it('of jobs and replicas that are no more go after a day', async () => {
    await put(row('replica', 'rpl_old', 'ended', {}), row('replica', 'rpl_new', 'ready', {}));
    for (const id of ['job_gone', 'rpl_old', 'rpl_new']) machine.runs.set(id, run());
    await pass(day - 1);
    expect(machine.runs.size).toBe(3);
    await pass(1);
    expect([...machine.runs.keys()]).toEqual(['rpl_new']);
  });
});

describe('stored bytes', () => {
  it('stay while a model, an output or an upload names them, and a week longer', async () => {
    const file = (digest: string) => ({ path: 'f', digest, bytes: 1 });
    await put(
      row('model-version', 'mv_1', 'active', { files: [file('model')] }),
      job('job_a', 'succeeded', { command: 'true' }, { outputs: [file('output')] }),
      job('job_b', 'queued', { command: 'true', upload: `upl_${'0'.repeat(26)}` }),
    );
    await put(
      { ...row('upload', `upl_${'0'.repeat(26)}`, 'active', { digest: 'needed' }), name: 'needed' },
      { ...row('upload', 'upl_old', 'active', { digest: 'old' }), name: 'old' },
    );
    for (const digest of ['model', 'output', 'needed', 'old', 'nobody']) machine.blobs.set(digest, startMs);
    await pass(7 * day + 1);
    expect([...machine.blobs.keys()]).toEqual(['model', 'output', 'needed']);
    expect(store.events.map(({ type }) => type)).toContain('upload.expired');
    await store.tx({ platform: true }, (tx) => tx.softDelete('model-version', 'mv_1'));
    await pass(7 * day - 1);
    expect(machine.blobs.has('model')).toBe(true);
    await pass(2);
    expect([...machine.blobs.keys()]).toEqual(['output', 'needed']);
  });

  it('laid out for an endpoint that is no more go after a day', async () => {
    await put(
      row('endpoint', 'ept', 'ready', { modelVersionId: 'mv_1', previous: { modelVersionId: 'mv_0' } }),
    );
    machine.caches = ['mv_0', 'mv_1', 'mv_9'].map((id) => ({ id, modifiedMs: startMs }));
    await pass(day);
    expect(machine.caches.map(({ id }) => id)).toEqual(['mv_0', 'mv_1']);
  });
});

describe('a calendar', () => {
  it('that jumped ahead removes nothing for an hour', async () => {
    await put(job('job_a', 'succeeded', { command: 'true' }));
    machine.workers = [worker('w', startMs)];
    clock.jump(400 * day);
    await retention.sweep();
    expect(machine.workers).toMatchObject([{ isTrimmed: false }]);
    clock.jump(-400 * day);
    await pass(hour);
    expect(machine.workers).toMatchObject([{ isTrimmed: false }]);
    await pass(day);
    expect(machine.workers).toMatchObject([{ isTrimmed: true }]);
  });

  it('that went back makes nothing due', async () => {
    machine.workers = [worker('w', startMs)];
    machine.blobs.set('x', startMs);
    clock.jump(-365 * day);
    await retention.sweep();
    expect([machine.workers.length, machine.blobs.size]).toEqual([1, 1]);
  });
});

it('nothing to remove is no event', async () => {
  await pass(100 * day);
  expect(store.events).toEqual([]);
});
