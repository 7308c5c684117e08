/** Gangs that run with fewer ranks than they could use: they give some back for others and grow when there is room. */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import { systemClock } from '@gantry/kit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { jobEnd, jobWhen } from './testing/follow.ts';
import { auditLedger } from './testing/mixed/audit-jobs.ts';
import { type ScratchDir, createScratchDir } from './testing/scratch-dir.ts';
import { tinyTraining } from './testing/tiny-training.ts';

let home: MemoryServer;
let dir: ScratchDir;
/** CPUs of the one machine. */
let all: number;
/** So far the server's clock is ahead of ours. */
let aheadMs = 0;
beforeAll(async () => {
  const clock = {
    nowMs: () => systemClock.nowMs() + aheadMs,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
  };
  home = await startMemoryServer(['--memory'], {}, { clock });
  dir = await createScratchDir('elastic');
  all = ((await home.operator.call('nodes.list', {})).items[0]?.cpuMilli ?? 0) / 1_000;
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const submit = (name: string, spec: Omit<JobSpecInput, 'name'>): Promise<Job> =>
  home.operator.call('jobs.submit', { body: { name, ...spec } });
const runningWith = (name: string, ranks: number, epoch: number): Promise<Job> =>
  jobWhen(
    home.operator,
    name,
    ({ state, attempts }) =>
      state === 'running' && attempts.length === epoch && attempts.at(-1)?.placement.length === ranks,
  );
/** Somebody more urgent, on half of the machine, until told to go. */
const guest = async (name: string): Promise<() => Promise<unknown>> => {
  const gate = join(dir.path, `gate.${name}`);
  await submit(name, {
    command: `while [ ! -e ${gate} ]; do sleep 0.05; done`,
    resources: { cpu: all / 2, memory: '64MiB' },
    priority: 90,
    preemptible: false,
  });
  await jobWhen(home.operator, name, ({ state }) => state === 'running');
  return async () => {
    await writeFile(gate, '');
    return jobEnd(home.operator, name);
  };
};
const cancel = async (name: string): Promise<Job> => {
  await home.operator.call('jobs.cancel', { params: { name } });
  return jobEnd(home.operator, name);
};

test('a training shrinks for somebody urgent and grows again, each time from where it was', async () => {
  const texts = join(dir.path, 'texts');
  await mkdir(texts);
  for (const file of [0, 1])
    await writeFile(join(texts, `${file}.txt`), 'The scheduler places the gang whole. '.repeat(400));
  await submit('learn', {
    workdir: texts,
    train: tinyTraining({ steps: 1_000_000, batchTokens: 256 }),
    replicas: 4,
    minReplicas: 1,
    checkpoint: { everySteps: 100_000 },
    graceSeconds: 60,
    resources: { cpu: all / 4, memory: '512MiB' },
  });
  await runningWith('learn', 4, 1);
  await jobWhen(home.operator, 'learn', ({ progress }) => (progress?.step ?? 0) >= 5);

  const guestLeaves = await guest('urgent');
  const smaller = await runningWith('learn', 2, 2);
  expect(smaller.attempts[0]).toMatchObject({ exitClass: 'resized' });
  const savedAt = smaller.progress?.checkpointStep ?? 0;
  expect(savedAt).toBeGreaterThanOrEqual(5);
  expect(
    await jobWhen(home.operator, 'learn', ({ size, progress }) => {
      return size !== undefined && (progress?.step ?? 0) > savedAt;
    }),
  ).toMatchObject({ size: { ranks: 2, wanted: 4, reasons: [expect.any(String)] } });

  await guestLeaves();
  // Sizes settle before they change again.
  aheadMs += 11 * 60_000;
  home.server.platform.scheduler.poke();
  const larger = await runningWith('learn', 4, 3);
  const savedAgainAt = larger.progress?.checkpointStep ?? 0;
  expect(savedAgainAt).toBeGreaterThan(savedAt);
  await jobWhen(home.operator, 'learn', ({ progress }) => (progress?.step ?? 0) > savedAgainAt);

  const { attempts } = await cancel('learn');
  expect(attempts.map(({ placement }) => placement.length)).toEqual([4, 2, 4]);
  const jobs = [];
  for await (const job of home.operator.pages('jobs.list', {})) jobs.push(job);
  expect(await auditLedger(home.operator, jobs)).toEqual([]);
  const { items } = await home.operator.call('jobs.events', {
    params: { name: 'learn' },
    query: { limit: 100 },
  });
  // Never waiting in between: nobody could have taken its place.
  expect(items.some(({ to }) => to === 'queued' && items[0]?.to !== to)).toBe(false);
});

test('a program of another framework finds its new world in its environment', async () => {
  const witness = join(dir.path, 'worlds');
  await mkdir(witness);
  await submit('torchlike', {
    framework: 'torch',
    command: `echo "$RANK $WORLD_SIZE $PET_NNODES $PET_NODE_RANK" > ${witness}/$GANTRY_EPOCH.$RANK; exec sleep 600`,
    replicas: 4,
    minReplicas: 2,
    resources: { cpu: all / 4, memory: '64MiB' },
  });
  const seen = (ranks: number) =>
    expect.poll(async () => (await readdir(witness)).length, { timeout: 60_000 }).toBe(ranks);
  await seen(4);
  const guestLeaves = await guest('other');
  await seen(4 + 2);
  await guestLeaves();
  await cancel('torchlike');
  const worlds = new Map<string, string>();
  for (const file of (await readdir(witness)).sort())
    worlds.set(file, (await readFile(join(witness, file), 'utf8')).trim());
  expect([...worlds]).toEqual([
    ['1.0', '0 4 4 0'],
    ['1.1', '1 4 4 1'],
    ['1.2', '2 4 4 2'],
    ['1.3', '3 4 4 3'],
    ['2.0', '0 2 2 0'],
    ['2.1', '1 2 2 1'],
  ]);
});

test('a size that cannot be is refused with its field', async () => {
  const base = { command: 'true', resources: { cpu: 0.1 } };
  for (const spec of [
    { ...base, replicas: 2, minReplicas: 3 },
    { ...base, minReplicas: 2 },
    { ...base, replicas: 4, minReplicas: 2, parallel: { tensor: 2 } },
  ])
    await expect(submit('never', spec)).rejects.toMatchObject({
      code: 'validation_failed',
      message: expect.stringContaining('minReplicas'),
    });
});
