/** What a worker with an image is promised, held against a double of the tool and against the machine's own. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Runner, WorkerEvent, WorkerExit, WorkerSpec } from '@gantry/ports';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalRunnerOptions, createLocalRunner } from '../local/local-runner.ts';
import { type ShimRecord, readJson, startTimeOf, workerFiles } from '../local/worker-files.ts';
import { runTool } from './run-tool.ts';
import { type TestedTool, makeDouble, makeReal } from './testing/make-tools.ts';

const real = await makeReal();
afterAll(() => real?.[Symbol.asyncDispose]());

describe.each([
  { which: 'a double', make: makeDouble },
  { which: 'the tool of this machine', make: async () => real },
])('a container by $which', ({ make }) => {
  let tested: TestedTool | undefined;
  let workersDir: string;
  let runner: Runner;
  let events: AsyncIterator<WorkerEvent>;
  let abort: AbortController;
  let number = 0;

  const open = (hidden?: NonNullable<LocalRunnerOptions['hidden']>): void => {
    abort = new AbortController();
    const about = { workersDir, nodePath: process.execPath, containers: tested?.tool };
    runner = createLocalRunner(hidden === undefined ? about : { ...about, hidden });
    events = runner.events(abort.signal)[Symbol.asyncIterator]();
  };
  const close = async (): Promise<void> => {
    abort.abort();
    await runner[Symbol.asyncDispose]();
  };
  const spec = (script: string, change: Partial<WorkerSpec> = {}): WorkerSpec => {
    const workerId = `c${process.pid}-${(number += 1)}`;
    return {
      workerId,
      attemptId: 'att',
      jobId: 'job',
      rank: 0,
      image: { reference: tested?.image ?? '', pull: 'missing' },
      command: ['sh', '-c', script],
      cwd: workersDir,
      env: { GANTRY_REPORT_FILE: workerFiles(workersDir, workerId).report },
      needs: [workersDir],
      limits: { cpuMilli: 1000, memoryBytes: 256 * 1024 ** 2, pids: 64 },
      logLimitBytes: 1024 ** 2,
      ...change,
    };
  };
  const next = async (type: WorkerEvent['type']): Promise<WorkerEvent> => {
    for (;;) {
      const { value, done } = await events.next();
      if (done === true) throw new Error(`no ${type} came`);
      if (value.type === type) return value;
      if (value.type === 'exited' || value.type === 'lost') throw new Error(JSON.stringify(value));
    }
  };
  const endOf = async (): Promise<WorkerExit> => ((await next('exited')) as { exit: WorkerExit }).exit;
  const printed = ({ workerId }: WorkerSpec, stream: 'stdout' | 'stderr' = 'stdout'): string =>
    readFileSync(workerFiles(workersDir, workerId)[stream], 'utf8');
  const isThere = async ({ workerId }: WorkerSpec): Promise<boolean> =>
    (await runTool(tested?.tool.path ?? '', ['inspect', '--format', '{{json .State}}', workerId])).code === 0;

  beforeAll(async () => {
    tested = await make();
  });
  afterAll(async () => {
    if (tested !== real) await tested?.[Symbol.asyncDispose]();
  });
  beforeEach(({ skip }) => {
    workersDir = mkdtempSync(join(tmpdir(), 'gantry-containers-'));
    open();
    skip(tested === undefined, 'nothing here runs containers, or there is no busybox to make an image of');
  });
  afterEach(async () => {
    await close();
    rmSync(workersDir, { recursive: true, force: true, maxRetries: 5 });
  });

  it('has its variables, its secrets and its folder, and its output is the worker’s', async () => {
    const worker = spec('echo "$GREETING $TOKEN"; pwd; echo gone >&2; echo made > made', {
      env: { GREETING: 'hello "you"' },
      secretEnv: { TOKEN: 's3cret' },
    });
    await runner.start(worker);
    expect(await next('report')).toMatchObject({ report: { values: { image: tested?.image } } });
    expect(await endOf()).toMatchObject({ exitClass: 'done', code: 0 });
    expect(printed(worker)).toBe(`hello "you" s3cret\n${workersDir}\n`);
    expect(printed(worker, 'stderr')).toContain('gone\n');
    expect(readFileSync(join(workersDir, 'made'), 'utf8')).toBe('made\n');
    expect(await isThere(worker)).toBe(false);
  });

  it('ends in the class that a process would end in', async () => {
    await runner.start(spec('exit 3'));
    expect(await endOf()).toMatchObject({ exitClass: 'user_error', code: 3 });
    await runner.start(spec('', { command: ['/no/such/program'] }));
    expect(await endOf()).toMatchObject({
      exitClass: 'user_error',
      message: expect.stringMatching(tested?.home === undefined ? /./ : /could not be started/),
    });
  });

  it('is asked to end, and ended after the grace', async () => {
    const polite = spec('trap "exit 7" TERM; echo up; while :; do sleep 0.05; done');
    await runner.start(polite);
    await next('started');
    await printsUp(polite);
    await runner.stop(polite.workerId, { graceMs: 60_000 });
    expect(await endOf()).toMatchObject({ exitClass: 'preempted', code: 7 });
    const deaf = spec('trap "" TERM; echo up; while :; do sleep 0.05; done');
    await runner.start(deaf);
    await next('started');
    await printsUp(deaf);
    await runner.stop(deaf.workerId, { graceMs: 100 });
    expect(await endOf()).toMatchObject({ exitClass: 'preempted', signal: 'SIGKILL' });
    expect(await isThere(deaf)).toBe(false);
  });

  it('goes on while its server restarts, and is adopted by the next', async () => {
    const worker = spec('while [ ! -e go ]; do sleep 0.02; done; echo went; exit 0');
    await runner.start(worker);
    await next('started');
    await close();
    open();
    await runner.start(spec('echo > go'));
    for (let ended = false; !ended;) {
      const event = (await events.next()).value as WorkerEvent;
      ended = event.type === 'exited' && event.workerId === worker.workerId;
      if (ended) expect(event).toMatchObject({ exit: { exitClass: 'done' } });
    }
    expect(printed(worker)).toBe('went\n');
  });

  it('does not outlive its shim', async () => {
    const worker = spec('while :; do sleep 0.05; done');
    await runner.start(worker);
    await next('started');
    const shim = readJson<ShimRecord>(workerFiles(workersDir, worker.workerId).shim);
    process.kill(shim?.shimPid ?? 0, 'SIGKILL');
    expect(await next('lost')).toMatchObject({ workerId: worker.workerId });
    await expect.poll(() => isThere(worker), { timeout: 60_000, interval: 50 }).toBe(false);
  });

  it('whose shim died while no server was there is taken away by the next server', async () => {
    const worker = spec('while :; do sleep 0.05; done');
    await runner.start(worker);
    await next('started');
    await close();
    const { dir, shim } = workerFiles(workersDir, worker.workerId);
    const { shimPid = 0, shimStart } = readJson<ShimRecord>(shim) ?? {};
    process.kill(shimPid, 'SIGKILL');
    await expect.poll(() => startTimeOf(shimPid), { timeout: 60_000, interval: 20 }).not.toBe(shimStart);
    rmSync(dir, { recursive: true });
    open();
    await expect.poll(() => isThere(worker), { timeout: 60_000, interval: 50 }).toBe(false);
  });

  it('is ended at its time limit', async () => {
    await runner.start(spec('trap "exit 0" TERM; while :; do sleep 0.05; done', { timeLimitMs: 200 }));
    expect(await endOf()).toMatchObject({ exitClass: 'time_limit' });
  });

  it('of a variable with two lines is refused in words', async () => {
    await runner.start(spec('true', { env: { KEY: 'a\nb' } }));
    expect(await endOf()).toMatchObject({
      exitClass: 'user_error',
      message: expect.stringContaining('KEY has more than one line'),
    });
  });

  it('of an image that is not here and may not be pulled is the user’s error, with a hint', async () => {
    await runner.start(spec('true', { image: { reference: 'localhost/no-such:1', pull: 'never' } }));
    expect(await endOf()).toMatchObject({
      exitClass: 'user_error',
      message: 'the image localhost/no-such:1 is not on this machine',
      hint: expect.stringContaining('registry'),
    });
  });

  async function printsUp(worker: WorkerSpec): Promise<void> {
    await expect.poll(() => printed(worker), { timeout: 60_000, interval: 20 }).toContain('up');
  }

  describe('of the machine’s own tool', () => {
    it('holds its memory limit, sees nothing else of the machine, and cannot write what is read-only', async ({
      skip,
    }) => {
      skip(tested?.tool.hasLimits !== true || tested.home !== undefined, 'a double builds no walls');
      const mounts = [{ source: workersDir, target: '/shown', readOnly: true }];
      const worker = spec('ls /; touch /shown/x && echo written', { mounts });
      await runner.start(worker);
      await endOf();
      expect(printed(worker)).not.toMatch(/root|home|written/);
      expect(printed(worker)).toContain('shown');
      await runner.start(spec('while head -c 4m /dev/zero; do sleep 0.02; done | tail -c 1000000000'));
      expect((await endOf()).exitClass).toBe('out_of_memory');
    });
  });

  it('sees nothing of the server’s own folders through a volume that holds them or a link to them', async ({
    skip,
  }) => {
    skip(!runner.facts.mounts, 'where no walls are built, nothing is hidden');
    await close();
    const own = join(workersDir, 'server');
    mkdirSync(own);
    writeFileSync(join(own, 'key'), 's3cret');
    symlinkSync(own, join(workersDir, 'link'));
    open({ paths: [own], heldDir: join(workersDir, 'held') });
    const mount = { source: join(workersDir, 'link'), target: '/in', readOnly: true };
    await runner.start(spec('cat /in/key', { mounts: [mount] }));
    expect(await endOf()).toMatchObject({
      exitClass: 'user_error',
      message: `there is no ${mount.source} on this machine`,
    });
    if (tested?.home !== undefined) return;
    const worker = spec('ls /in; cat /in/server/key', {
      mounts: [{ ...mount, source: workersDir }],
      needs: [],
      cwd: '/',
    });
    await runner.start(worker);
    expect(await endOf()).toMatchObject({ exitClass: 'user_error' });
    expect(printed(worker)).toContain('server\n');
    expect(printed(worker)).not.toContain('s3cret');
  });

  describe('of a double', () => {
    it('gets its secrets through no command line, and leaves no file of them', async ({ skip }) => {
      skip(tested?.home === undefined, 'a real tool keeps no list of what it was asked');
      const worker = spec('while [ ! -e go ]; do sleep 0.02; done', { secretEnv: { TOKEN: 's3cret' } });
      await runner.start(worker);
      await next('started');
      const made = readFileSync(join(tested?.home ?? '', 'containers', worker.workerId, 'made.json'), 'utf8');
      const { words } = JSON.parse(made) as { words: readonly string[] };
      expect(words.join(' ')).not.toContain('s3cret');
      const envFile = words.find((word) => word.startsWith('--env-file='))?.slice('--env-file='.length) ?? '';
      expect(existsSync(envFile)).toBe(false);
      for (const file of readdirSync(join(workersDir, worker.workerId)).filter((name) => name !== 'own'))
        expect(readFileSync(join(workersDir, worker.workerId, file), 'utf8')).not.toContain('s3cret');
      await runner.stop(worker.workerId, { graceMs: 0 });
      await next('exited');
    });

    it('pulls what is missing once, with credentials that lie nowhere afterwards', async ({ skip }) => {
      skip(tested?.home === undefined, 'there is no registry');
      const image = { reference: 'ghcr.io/acme/tool:2', pull: 'missing', credentials: 'ann:pa55' } as const;
      for (let round = 0; round < 2; round += 1) {
        await runner.start(spec('true', { image }));
        expect(await endOf()).toMatchObject({ exitClass: 'done' });
      }
      const pulls = readFileSync(join(tested?.home ?? '', 'pulls'), 'utf8')
        .trim()
        .split('\n');
      expect(pulls).toHaveLength(1);
      const { words, auth } = JSON.parse(pulls[0] ?? '') as { words: readonly string[]; auth: string };
      expect(words).toEqual(['--quiet', 'ghcr.io/acme/tool:2']);
      expect(JSON.parse(auth)).toEqual({
        auths: { 'ghcr.io': { auth: Buffer.from('ann:pa55').toString('base64') } },
      });
    });

    it.each([
      ['registry.test/unknown:1', 'user_error', 'manifest unknown'],
      ['registry.test/far:1', 'infrastructure', 'i/o timeout'],
    ])('of %s is a %s', async (reference, exitClass, words) => {
      if (tested?.home === undefined) return;
      await runner.start(spec('true', { image: { reference, pull: 'missing' } }));
      expect(await endOf()).toMatchObject({ exitClass, message: expect.stringContaining(words) });
    });

    it('with a network of its own is entered through its door alone', async ({ skip }) => {
      skip(tested?.home === undefined || !runner.facts.ownNetwork, 'an image of a shell listens at nothing');
      const socketPath = join(workersDir, 'door.sock');
      const door = { socketPath, port: 8_765 };
      const serve = `require('node:net').createServer((socket) => socket.end('from inside')).listen(${door.port}, '127.0.0.1', () => console.log('up'))`;
      const worker = spec('', { command: [process.execPath, '-e', serve], network: { door } });
      await runner.start(worker);
      await next('started');
      await printsUp(worker);
      expect(await text(connect(socketPath))).toBe('from inside');
      const refused = Promise.withResolvers<NodeJS.ErrnoException>();
      connect(door.port, '127.0.0.1').on('error', refused.resolve).on('connect', refused.reject);
      expect(await refused.promise).toMatchObject({ code: 'ECONNREFUSED' });
      await runner.stop(worker.workerId, { graceMs: 0 });
      expect(await endOf()).toMatchObject({ exitClass: 'preempted' });
    });

    it('is not left behind a door that cannot be opened', async ({ skip }) => {
      skip(tested?.home === undefined || !runner.facts.ownNetwork, 'it is the same for all');
      const door = { socketPath: join(workersDir, 'no-folder', 'door.sock'), port: 8_765 };
      const worker = spec('while :; do sleep 0.05; done', { network: { door } });
      await runner.start(worker);
      expect(await endOf()).toMatchObject({
        exitClass: 'infrastructure',
        message: expect.stringContaining('its door could not be opened'),
      });
      expect(await isThere(worker)).toBe(false);
    });

    it('is stopped while its image is still being pulled', async ({ skip }) => {
      skip(tested?.home === undefined, 'there is no registry');
      const worker = spec('true', { image: { reference: 'registry.test/large:1', pull: 'always' } });
      await runner.start(worker);
      await runner.stop(worker.workerId, { graceMs: 60_000 });
      expect(await endOf()).toMatchObject({ exitClass: 'preempted' });
    });
  });
});
