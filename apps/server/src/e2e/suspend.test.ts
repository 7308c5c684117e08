/** Jobs that rest: their machines are somebody else's meanwhile, nothing is billed, and they go on where they were. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { createBooks } from './testing/books.ts';
import { jobEnd, jobWhen } from './testing/follow.ts';
import { type ScratchDir, createScratchDir } from './testing/scratch-dir.ts';
import { tinyTraining } from './testing/tiny-training.ts';
import { contradictions, gatedCommand, witnessesOf } from './testing/witness.ts';
import { refusal } from '../testing/refusal.ts';

let home: MemoryServer;
let dir: ScratchDir;
/** CPUs of the one machine. */
let all: number;
beforeAll(async () => {
  home = await startMemoryServer();
  dir = await createScratchDir('suspend');
  all = ((await home.operator.call('nodes.list', {})).items[0]?.cpuMilli ?? 0) / 1_000;
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const submit = (name: string, spec: Omit<JobSpecInput, 'name'>): Promise<Job> =>
  home.operator.call('jobs.submit', {
    body: { name, resources: { cpu: all, memory: '128MiB' }, ...spec },
  });
const act = (verb: 'suspend' | 'resume' | 'cancel', name: string): Promise<Job> =>
  home.operator.call(`jobs.${verb}`, { params: { name } });
const inState = (name: string, state: Job['state']): Promise<Job> =>
  jobWhen(home.operator, name, (job) => job.state === state);
const eventsOf = async (name: string): Promise<readonly string[]> =>
  (await home.operator.call('jobs.events', { params: { name }, query: { limit: 100 } })).items.map(
    ({ type }) => type,
  );

test('a training rests at a checkpoint, lets another job in, and goes on at the next step', async () => {
  const texts = join(dir.path, 'texts');
  await mkdir(texts);
  for (const file of [0, 1])
    await writeFile(join(texts, `${file}.txt`), 'The scheduler places the gang whole. '.repeat(400));
  await submit('learn', {
    workdir: texts,
    train: tinyTraining({ steps: 1_000_000 }),
    checkpoint: { everySteps: 100_000 },
    graceSeconds: 60,
    resources: { cpu: all, memory: '1GiB' },
  });
  await jobWhen(home.operator, 'learn', ({ progress }) => (progress?.step ?? 0) >= 10);
  await act('suspend', 'learn');
  const resting = await inState('learn', 'suspended');
  expect(resting).toMatchObject({
    suspended: { by: 'operator' },
    attempts: [{ state: 'ended', exitClass: 'suspended' }],
  });
  const checkpointStep = resting.progress?.checkpointStep ?? 0;
  expect(checkpointStep).toBeGreaterThanOrEqual(10);
  expect(resting.endedAt).toBeUndefined();

  await submit('guest', { command: 'true' });
  expect((await jobEnd(home.operator, 'guest')).state).toBe('succeeded');
  expect((await home.operator.call('jobs.get', { params: { name: 'learn' } })).deviceSeconds).toBe(
    resting.deviceSeconds,
  );

  await act('resume', 'learn');
  const back = await jobWhen(
    home.operator,
    'learn',
    ({ state, attempts }) => state === 'running' && attempts.length === 2,
  );
  expect(back.suspended).toBeUndefined();
  const steps: number[] = [];
  await jobWhen(home.operator, 'learn', ({ progress }) => {
    // Until the second attempt has spoken, what the first said last is still shown.
    if (progress?.step !== undefined && progress.step !== resting.progress?.step) steps.push(progress.step);
    return (progress?.step ?? 0) >= checkpointStep + 10;
  });
  // Steps that were saved are not done again.
  expect(Math.min(...steps)).toBeGreaterThanOrEqual(checkpointStep);
  await act('cancel', 'learn');
  const done = await inState('learn', 'cancelled');
  expect(await eventsOf('learn')).toEqual(
    ['submitted placed running stopping suspended', 'resumed placed running stopping cancelled'].flatMap(
      (words) => words.split(' ').map((word) => `job.${word}`),
    ),
  );
  expect(await createBooks(all, 0).audit(home.operator, [done], 0)).toEqual([]);
});

test('whoever waits may rest too, and is placed only once resumed', async () => {
  const [gate, witness] = [join(dir.path, 'gate'), join(dir.path, 'witness')];
  await mkdir(witness);
  await submit('holder', { command: `while [ ! -e ${gate} ]; do sleep 0.05; done`, preemptible: false });
  await inState('holder', 'running');
  await submit('waits', { command: gatedCommand(witness, gate) });
  await act('suspend', 'waits');
  await act('suspend', 'waits');
  await submit('behind', { command: 'true' });
  await writeFile(gate, '');
  await jobEnd(home.operator, 'behind');
  expect(await inState('waits', 'suspended')).toMatchObject({ attempts: [] });
  await act('resume', 'waits');
  const { attempts } = await jobEnd(home.operator, 'waits');
  expect(
    contradictions(witnessesOf(witness, 'waits'), { ranks: 1, attempts: attempts.map(({ id }) => id) }),
  ).toEqual([]);
  expect((await eventsOf('waits')).filter((type) => type === 'job.suspended')).toHaveLength(1);
});

test('while a job is on its way out, the newest wish of its owner holds', async () => {
  const stubborn = (name: string): string =>
    `trap 'while [ ! -e ${dir.path}/go.${name} ]; do sleep 0.05; done; exit 1' TERM; touch ${dir.path}/up.${name}; while :; do sleep 0.05; done`;
  const stopping = async (name: string): Promise<void> => {
    await submit(name, {
      command: stubborn(name),
      graceSeconds: 100,
      resources: { cpu: all / 4, memory: '64MiB' },
    });
    await expect.poll(() => existsSync(`${dir.path}/up.${name}`), { timeout: 60_000 }).toBe(true);
    await inState(name, 'running');
    expect((await act('suspend', name)).state).toBe('stopping');
  };
  const letGo = (name: string): Promise<void> => writeFile(`${dir.path}/go.${name}`, '');

  await stopping('resumed');
  expect((await act('resume', 'resumed')).suspended).toBeUndefined();
  await letGo('resumed');
  await jobWhen(home.operator, 'resumed', ({ attempts }) => attempts.length === 2);
  await act('cancel', 'resumed');

  await stopping('cancelled');
  await act('cancel', 'cancelled');
  expect(await refusal(act('suspend', 'cancelled'))).toMatchObject({ code: 'invalid_transition' });
  await letGo('cancelled');
  expect(await jobEnd(home.operator, 'cancelled')).toMatchObject({ state: 'cancelled' });

  await stopping('rested');
  await letGo('rested');
  await inState('rested', 'suspended');
  expect((await act('cancel', 'rested')).state).toBe('cancelled');
});

test('what cannot rest or go on is told so, and nothing changes', async () => {
  await submit('over', { command: 'true' });
  await jobEnd(home.operator, 'over');
  for (const verb of ['suspend', 'resume'] as const) {
    const error = await refusal(act(verb, 'over'));
    expect(error).toMatchObject({ status: 409, code: 'invalid_transition' });
    expect(error.message).toContain('succeeded');
    expect(await refusal(act(verb, 'nobody'))).toMatchObject({ status: 404 });
  }
  expect((await eventsOf('over')).at(-1)).toBe('job.succeeded');
});
