/** Gangs that lose a rank: it is found, named and replaced, or done without; the work goes on from its newest checkpoint. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job } from '@gantry/contract';
import { workerIdOf } from '@gantry/control';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { jobEnd, jobWhen } from './testing/follow.ts';
import { startSimulatedCluster } from './testing/mixed/simulated-cluster.ts';
import { processesOf } from './testing/processes.ts';
import { type ScratchDir, createScratchDir } from './testing/scratch-dir.ts';
import { tinyTraining } from './testing/tiny-training.ts';

let home: MemoryServer;
let dir: ScratchDir;
beforeAll(async () => {
  home = await startMemoryServer();
  dir = await createScratchDir('rank-loss');
  await mkdir(join(dir.path, 'texts'));
  for (const file of [0, 1])
    await writeFile(
      join(dir.path, 'texts', `${file}.txt`),
      'The scheduler places the gang whole. '.repeat(400),
    );
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const trainingProcess = (attemptId: string, rank: number): { readonly pid: number } | undefined =>
  processesOf(home.server.platform.dataDir).find(
    ({ command, workerId }) =>
      workerId === workerIdOf(attemptId, rank) && /^\S+node \S+ train$/.test(command),
  );

/** How its peers tell of it; a thread of the rank after it hears that it has gone silent. */
const strikes = [
  { signal: 'SIGKILL', says: /rank 1 is gone/i },
  { signal: 'SIGSTOP', says: /rank 1 has stood still for (\d+\.\d) s/i },
] as const;

test.concurrent.each(strikes)(
  'a rank struck by $signal costs the steps since the last checkpoint',
  async ({ signal, says }) => {
    const name = signal.toLowerCase();
    await home.operator.call('jobs.submit', {
      body: {
        name,
        workdir: join(dir.path, 'texts'),
        train: tinyTraining({ steps: 1_000_000 }),
        replicas: 2,
        checkpoint: { everySteps: 20 },
        resources: { cpu: 0.5, memory: '512MiB' },
      },
    });
    const before = await jobWhen(
      home.operator,
      name,
      ({ progress }) => (progress?.checkpointStep ?? 0) >= 20,
    );
    process.kill(trainingProcess(before.attempts[0]?.id ?? '', 1)!.pid, signal);
    const savedAt = before.progress?.checkpointStep ?? 0;
    // It has no retries of its own: going on is the platform's gift.
    const { attempts } = await jobWhen(
      home.operator,
      name,
      ({ state, attempts, progress }) =>
        state === 'running' && attempts.length === 2 && (progress?.step ?? 0) > savedAt,
    );
    expect(attempts[0]).toMatchObject({ exitClass: 'infrastructure' });
    const [, silentSeconds] =
      says.exec(attempts[0]?.exitMessage ?? '') ?? expect.fail('the rank is not named');
    if (silentSeconds !== undefined) expect(Number(silentSeconds)).toBeLessThanOrEqual(2);
    await home.operator.call('jobs.cancel', { params: { name } });
    await jobEnd(home.operator, name);
  },
);

test('a rank that is slow beside its like is named in the job and in its history, with its node', async () => {
  const name = 'slow-rank';
  await home.operator.call('jobs.submit', {
    body: {
      name,
      workdir: join(dir.path, 'texts'),
      // It computes most of the time: what holds it, holds it at that.
      train: tinyTraining({ steps: 1_000_000, width: 64, sequenceLength: 64, batchTokens: 2_048 }),
      replicas: 2,
      resources: { cpu: 0.5, memory: '512MiB' },
    },
  });
  const isRunning = ({ state, progress }: Job): boolean => state === 'running' && (progress?.step ?? 0) > 0;
  let job = await jobWhen(home.operator, name, isRunning);
  while (job.progress?.straggler?.rank !== 1) {
    const { attempts } = await jobWhen(home.operator, name, isRunning);
    const slowed = trainingProcess(attempts.at(-1)?.id ?? '', 1);
    if (slowed === undefined) continue;
    await using _held = slowDown(slowed.pid);
    // On a busy machine it may be held for so long that it is taken for lost: then its successor is slowed down.
    job = await jobWhen(
      home.operator,
      name,
      (each) => each.progress?.straggler?.rank === 1 || each.attempts.length > attempts.length,
    );
  }
  const { attempts, progress } = job;
  expect(progress?.straggler?.slowdown).toBeGreaterThanOrEqual(1.5);
  const events = await home.operator.call('jobs.events', { params: { name }, query: { limit: 100 } });
  expect(
    events.items.filter(({ type }) => type === 'job.straggler').map(({ reason }) => reason),
  ).toContainEqual(expect.objectContaining({ rank: 1, node: attempts.at(-1)?.placement[1]?.node }));
  await home.operator.call('jobs.cancel', { params: { name } });
  await jobEnd(home.operator, name);
});

test('a member of an elastic torchrun that is killed comes back within the attempt, while the others go on', async () => {
  const name = 'elastic-torch';
  const workdir = join(dir.path, 'elastic');
  await mkdir(workdir);
  // Says what a launcher would read, and waits for a word.
  const launcher =
    'echo "$PET_NNODES $PET_LOCAL_ADDR" >> starts.$RANK; while [ ! -f go ]; do sleep 0.1; done';
  await writeFile(join(workdir, 'torchrun'), launcher);
  await home.operator.call('jobs.submit', {
    body: {
      name,
      workdir,
      command: 'exec sh ./torchrun train.py',
      framework: 'torch',
      replicas: 3,
      minReplicas: 2,
      env: { PET_RDZV_BACKEND: 'c10d' },
      resources: { cpu: 0.1, memory: '64MiB' },
    },
  });
  const { attempts } = await jobWhen(home.operator, name, ({ state }) => state === 'running');
  const startsOf = async (rank: number): Promise<string[]> =>
    (await readFile(join(workdir, `starts.${rank}`), 'utf8').catch(() => ''))
      .trim()
      .split('\n')
      .filter((line) => line !== '');
  const waiting = { timeout: 60_000, interval: 50 };
  await expect
    .poll(async () => (await Promise.all([0, 1, 2].map(startsOf))).map(({ length }) => length), waiting)
    .toEqual([1, 1, 1]);
  const victim = processesOf(home.server.platform.dataDir).find(
    ({ command, workerId }) =>
      workerId === workerIdOf(attempts[0]?.id ?? '', 2) && command.startsWith('sh ./torchrun'),
  );
  process.kill(victim!.pid, 'SIGKILL');
  await expect.poll(async () => (await startsOf(2)).length, waiting).toBe(2);
  const [before, after] = await startsOf(2);
  expect(before?.split(' ')[0]).toBe('2:3');
  expect(after).not.toBe(before);
  await writeFile(join(workdir, 'go'), '');
  const job = await jobEnd(home.operator, name);
  expect(job).toMatchObject({ state: 'succeeded' });
  expect(job.attempts).toHaveLength(1);
  expect(await Promise.all([0, 1].map(startsOf))).toMatchObject([{ length: 1 }, { length: 1 }]);
  const events = await home.operator.call('jobs.events', { params: { name }, query: { limit: 100 } });
  expect(
    events.items.filter(({ type }) => type === 'job.rank_returned').map(({ reason }) => reason),
  ).toMatchObject([{ rank: 2, times: 1, why: expect.stringMatching(/SIGKILL/) }]);
});

/** Holds the process most of the time, as a machine would on which something else runs; not long enough to be missed. */
function slowDown(pid: number): AsyncDisposable {
  const shell = spawn('/bin/sh', [
    '-c',
    `while kill -STOP ${pid} 2>/dev/null; do sleep 0.3; kill -CONT ${pid}; sleep 0.05; done`,
  ]);
  const ended = new Promise<void>((resolve) => shell.once('exit', () => resolve()));
  return {
    [Symbol.asyncDispose]: async () => {
      shell.kill('SIGKILL');
      await ended;
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGCONT');
    },
  };
}

test('a gang that loses a machine goes on with the ranks that are left, at once, and grows when it is back', async () => {
  await using cluster = await startSimulatedCluster(2);
  const { submit, nodeAct, operator } = cluster;
  await submit('gang', { replicas: 16, minReplicas: 8, resources: { cpu: 1, memory: '1GiB', gpu: 1 } });
  const ranks = (count: number, epoch: number): Promise<Job> =>
    jobWhen(
      operator,
      'gang',
      ({ state, attempts }) =>
        state === 'running' && attempts.length === epoch && attempts.at(-1)?.placement.length === count,
    );
  const { attempts: whole } = await ranks(16, 1);
  // Somebody waits for whatever comes free.
  await submit('waiting', { replicas: 1, resources: { cpu: 1, memory: '1GiB', gpu: 8 }, priority: 0 });
  await nodeAct('sim-1', 'quarantine');
  const { attempts: smaller } = await ranks(8, 2);
  const [lost] = whole[0]!.placement.filter(({ devices }) => devices[0]?.startsWith('sim-1'));
  expect(smaller[1]?.placement.map(({ node }) => node)).not.toContain(lost?.node);
  await operator.call('jobs.cancel', { params: { name: 'waiting' } });
  await nodeAct('sim-1', 'return');
  await cluster.advance(11 * 60_000);
  await ranks(16, 3);
  await operator.call('jobs.cancel', { params: { name: 'gang' } });
  await jobEnd(operator, 'gang');
  expect(cluster.runner.wrong).toEqual([]);
});
