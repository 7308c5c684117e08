/** What goes wrong in jobs on the real platform: each is told as code, sentence and hint, and leaves nothing half done. */
import { spawnSync } from 'node:child_process';
import { open, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { jobEnd, jobWhen } from './testing/follow.ts';
import { processesOf } from './testing/processes.ts';
import { type ScratchDir, createScratchDir } from './testing/scratch-dir.ts';
import { tinyTraining } from './testing/tiny-training.ts';
import { until } from './testing/until.ts';
import { refusal } from '../testing/refusal.ts';

let home: MemoryServer;
let dir: ScratchDir;
beforeAll(async () => {
  home = await startMemoryServer();
  dir = await createScratchDir('bad');
  const lines = Array.from({ length: 200 }, (_, line) => `The scheduler places gang ${line} whole.`);
  for (const file of ['0.txt', '1.txt', '2.txt']) await writeFile(join(dir.path, file), lines.join('\n'));
  await writeFile(join(dir.path, 'empty.md'), '');
  await writeFile(
    join(dir.path, 'picture.bin'),
    Uint8Array.from({ length: 4_096 }, (_, at) => (at * 37) % 256),
  );
  await writeFile(join(dir.path, 'short.text'), 'Too short.');
});
afterAll(async () => {
  await until('every worker has left', () =>
    processesOf(home.server.platform.dataDir).every(({ role }) => !['rank', 'shim'].includes(role)),
  );
  await home[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const resources = { cpu: 0.5, memory: '512MiB' };
const training = (
  name: string,
  train: Parameters<typeof tinyTraining>[0] = {},
  spec: Partial<JobSpecInput> = {},
): JobSpecInput => ({
  name,
  workdir: dir.path,
  train: tinyTraining(train),
  resources,
  ...spec,
});

/** Of a checkpoint's folder; NaN where it is none. */
const stepOf = (folder: string): number => Number(/^step-(\d+)$/.exec(folder)?.[1]);

async function run(spec: JobSpecInput): Promise<Job> {
  await home.operator.call('jobs.submit', { body: spec });
  return jobEnd(home.operator, spec.name ?? '');
}

describe('data to train on', () => {
  test.each([
    ['missing', ['nowhere/*.txt'], /^data_missing: .*nowhere/],
    ['empty', ['empty.md'], /^data_empty: .*empty\.md/],
    ['binary', ['picture.bin'], /^data_(binary|empty): .*picture\.bin/],
    ['shorter-than-a-sequence', ['short.text'], /^data_too_short: /],
  ])('%s: the user’s to fix, at once, and no model is registered', async (name, data, said) => {
    const job = await run(training(name, { data }, { register: 'never' }));
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error', hint: expect.any(String) });
    expect(job.exitMessage).toMatch(said);
    expect(job.attempts).toHaveLength(1);
    expect(job.modelVersion).toBeUndefined();
    expect(await refusal(home.operator.call('models.get', { params: { name: 'never' } }))).toMatchObject({
      status: 404,
    });
  });
});

describe('a training that goes wrong on the way', () => {
  test('a training that diverges: the step is named, and the last good checkpoint is kept', async () => {
    const train = {
      optimizer: 'sgd' as const,
      momentum: 0.9999,
      learningRate: 1,
      clipNorm: 1e38,
      warmupSteps: 0,
    };
    const job = await run(
      training('diverges', { ...train, depth: 2, steps: 120 }, { checkpoint: { everySteps: 5 } }),
    );
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error', hint: expect.any(String) });
    const step = Number(
      /^nan_loss: The \w+ is no longer a number at step (\d+)/.exec(job.exitMessage ?? '')?.[1],
    );
    const kept = await readdir(join(home.server.platform.dataDir, 'runs', job.id, 'checkpoints'));
    expect(Math.max(...kept.map(stepOf))).toBe(Math.floor((step - 1) / 5) * 5);
  });

  test('a worker that tells why it cannot go on: its code, its sentence and its hint are the job’s', async () => {
    const fault = JSON.stringify({
      type: 'fault',
      at: '2026-01-02T03:04:05.000Z',
      code: 'nan_loss',
      message: 'The loss of step 7 is no number.',
      hint: 'Lower train.learningRate.',
    });
    const command = `echo '${fault}' >> "$GANTRY_REPORT_FILE"; exit 64`;
    const job = await run({ name: 'nan', command, resources });
    expect(job).toMatchObject({
      state: 'failed',
      exitClass: 'user_error',
      exitMessage: 'nan_loss: The loss of step 7 is no number.',
      hint: 'Lower train.learningRate.',
    });
  });

  test('a damaged checkpoint: the one before is used, the job says so and ends well', async () => {
    const name = 'damaged';
    await home.operator.call('jobs.submit', {
      body: training(name, { steps: 1_000_000 }, { checkpoint: { everySteps: 5, keep: 3 } }),
    });
    const { id } = await jobWhen(home.operator, name, ({ progress }) => (progress?.step ?? 0) >= 20);
    const ranks = () => processesOf(home.server.platform.dataDir).filter(({ role }) => role === 'rank');
    for (const { pid } of ranks()) process.kill(pid, 'SIGSTOP');
    const folder = join(home.server.platform.dataDir, 'runs', id, 'checkpoints');
    const newest =
      (await readdir(folder))
        .filter((each) => /^step-\d+$/.test(each))
        .sort((one, other) => stepOf(one) - stepOf(other))
        .at(-1) ?? '';
    const [shard = ''] = (await readdir(join(folder, newest))).filter((each) => each.endsWith('.bin'));
    {
      await using file = await open(join(folder, newest, shard), 'r+');
      await file.write(Uint8Array.of(1, 2, 3), 0, 3, 33);
    }
    process.kill(ranks().at(-1)?.pid ?? 0, 'SIGKILL');
    for (const { pid } of ranks()) process.kill(pid, 'SIGCONT');
    const { attempts } = await jobWhen(home.operator, name, (job) => job.attempts.length === 2);
    const report = join(
      home.server.platform.dataDir,
      'workers',
      `${attempts[1]?.id}-0`,
      'own',
      'report.jsonl',
    );
    await until('the second attempt trains', async () =>
      (await readFile(report, 'utf8').catch(() => '')).includes('"progress"'),
    );
    await home.operator.call('jobs.cancel', { params: { name } });
    const job = await jobEnd(home.operator, name);
    expect(job.notes?.join('\n')).toMatch(/checkpoint_damaged: .*training goes on from step/);
  });

  test('a disk that is full: told with a hint, and nothing half written is taken for a checkpoint', async (context) => {
    const runs = join(home.server.platform.dataDir, 'runs');
    await mkdir(runs, { recursive: true });
    const mounted = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=400k', 'gantry-small', runs]);
    if (mounted.status !== 0) context.skip('a small file system needs root and mount(8)');
    try {
      const job = await run(training('full', {}, { checkpoint: { everySteps: 2, keep: 9 } }));
      const told = [...(job.notes ?? []), job.exitMessage].join('\n');
      expect(told).toMatch(/disk_full: /);
      expect(job.state === 'succeeded' || job.hint !== undefined).toBe(true);
      const folder = join(runs, job.id, 'checkpoints');
      for (const name of await readdir(folder).catch(() => []))
        if (/^step-\d+$/.test(name))
          expect(JSON.parse(await readFile(join(folder, name, 'manifest.json'), 'utf8'))).toBeTypeOf(
            'object',
          );
    } finally {
      spawnSync('/bin/umount', [runs]);
    }
  });
});

describe('a command that goes wrong', () => {
  test('a fork bomb is held inside its job and gone afterwards; the platform answers all the while', async () => {
    const command = 'bomb() { bomb | bomb & }; bomb; sleep 2; exit 7';
    await home.operator.call('jobs.submit', { body: { name: 'bomb', command, resources, timeLimit: '20s' } });
    // Its shell may be refused the next process and end before anybody looks.
    await jobWhen(home.operator, 'bomb', ({ state }) => ['running', 'failed'].includes(state));
    expect((await home.ask('GET', '/healthz')).status).toBe(200);
    await home.operator.call('jobs.cancel', { params: { name: 'bomb' } }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'invalid_transition' });
    });
    const job = await jobEnd(home.operator, 'bomb');
    expect(['cancelled', 'failed']).toContain(job.state);
    const mine = () =>
      processesOf(home.server.platform.dataDir).filter(({ workerId = '' }) =>
        workerId.startsWith(job.attempts[0]?.id ?? '-'),
      );
    await until('nothing of it is left', () => mine().length === 0);
  });

  test('a log beyond its limit: the job ends well, its beginning and its end are kept, pages are small', async () => {
    const job = await run({
      name: 'chatty',
      command: 'echo first; yes "the same line again" | head -c 400000000; echo last',
      resources,
    });
    expect(job.state).toBe('succeeded');
    const page = await home.ask('GET', '/api/v1/jobs/chatty/logs?limitBytes=4096', {
      key: home.operatorKey,
    });
    expect(page.text.startsWith('first\n')).toBe(true);
    expect(page.text.length).toBeLessThanOrEqual(4_096);
    const stdout = join(home.server.platform.dataDir, 'workers', `${job.attempts[0]?.id}-0`, 'stdout.log');
    await using file = await open(stdout);
    const { size } = await file.stat();
    expect(size).toBeLessThan(300 * 1024 ** 2);
    const end = Buffer.alloc(64);
    await file.read(end, 0, 64, size - 64);
    expect(end.toString().endsWith('last\n')).toBe(true);
  });
});

describe('names that lead elsewhere', () => {
  test.each(['../../etc', 'a/b', '..', 'a\u0000b', '.hidden', 'x'.repeat(300)])(
    '%j is no name',
    async (name) => {
      const error = await refusal(
        home.operator.call('jobs.submit', { body: { name, command: 'true', resources } }),
      );
      expect(error.code).toMatch(/^(validation_failed|bad_request)$/);
      expect(error.problems?.[0]?.path).toContain('name');
      expect(
        (await home.ask('GET', `/api/v1/jobs/${encodeURIComponent(name)}`, { key: home.operatorKey })).status,
      ).toBeGreaterThanOrEqual(400);
    },
  );

  test('a model folder whose file points out of it is refused', async () => {
    const folder = join(dir.path, 'model');
    await mkdir(folder);
    await symlink('/etc/passwd', join(folder, 'config.json'));
    await symlink('/etc/passwd', join(folder, 'model.safetensors'));
    const error = await refusal(
      home.operator.call('models.import', { body: { name: 'outside', path: folder } }),
    );
    expect(error.status).toBe(422);
    expect(error.hint).toBeTypeOf('string');
    expect((await home.operator.call('models.list', {})).items.map(({ name }) => name)).not.toContain(
      'outside',
    );
  });

  test('outputs may not be asked for outside of the job', async () => {
    const error = await refusal(
      home.operator.call('jobs.submit', { body: { command: 'true', outputs: ['../../*'], resources } }),
    );
    expect(error.status).toBe(422);
  });
});
