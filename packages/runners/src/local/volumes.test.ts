/** Folders at other places than they lie, and values that no disk sees; as whoever runs the tests. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner, WorkerEvent, WorkerSpec } from '@gantry/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { probeIsolation } from './isolation.ts';
import { createLocalRunner } from './local-runner.ts';
import { workerFiles } from './worker-files.ts';

const isolation = probeIsolation();
let dir: string;
let runner: Runner;
let abort: AbortController;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-volumes-'));
  for (const name of ['workers', 'work', 'data']) mkdirSync(join(dir, name));
  writeFileSync(join(dir, 'data/words.txt'), 'hello');
  abort = new AbortController();
  runner = createLocalRunner({ workersDir: join(dir, 'workers'), nodePath: process.execPath, isolation });
});
afterEach(async () => {
  abort.abort();
  await runner[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

async function run(
  text: string,
  change: Partial<WorkerSpec>,
): Promise<Extract<WorkerEvent, { type: 'exited' }>['exit'] & { stdout: string }> {
  mkdirSync(join(dir, 'work'), { recursive: true });
  await runner.start({
    workerId: 'w',
    attemptId: 'att',
    jobId: 'job',
    rank: 0,
    command: ['/bin/sh', '-c', text],
    cwd: join(dir, 'work'),
    env: {},
    limits: { cpuMilli: 1000, memoryBytes: 2 ** 29, pids: 64 },
    logLimitBytes: 2 ** 20,
    ...change,
  });
  for await (const event of runner.events(abort.signal)) {
    if (event.type === 'lost') throw new Error(event.message);
    if (event.type !== 'exited') continue;
    return { ...event.exit, stdout: readFileSync(workerFiles(join(dir, 'workers'), 'w').stdout, 'utf8') };
  }
  throw new Error('no end was told');
}
const mount = (target: string, readOnly: boolean): Pick<WorkerSpec, 'mounts'> => ({
  mounts: [{ source: join(dir, 'data'), target, readOnly }],
});

describe.skipIf(isolation.mounts === undefined)('volumes', () => {
  it('are seen in the working folder, written through, and gone for everybody else', async () => {
    const target = join(dir, 'work/in');
    const ended = await run('cat in/words.txt; echo new > in/new.txt', mount(target, false));
    expect(ended).toMatchObject({ exitClass: 'done', stdout: 'hello' });
    expect(readFileSync(join(dir, 'data/new.txt'), 'utf8')).toBe('new\n');
    expect(readdirSync(target)).toEqual([]);
  });

  it('that are read-only cannot be written', async () => {
    const ended = await run('cat in/words.txt; touch in/new.txt', mount(join(dir, 'work/in'), true));
    expect(ended).toMatchObject({ exitClass: 'user_error', stdout: 'hello' });
    expect(ended.stderrTail.join()).toMatch(/read-only/i);
    expect(existsSync(join(dir, 'data/new.txt'))).toBe(false);
  });

  it('are seen below / where the machine has nothing, and the machine still has nothing', async () => {
    const target = '/gantry-test-volume';
    const ended = await run(`cat ${target}/words.txt; pwd; id -u; ls / | wc -l`, mount(target, true));
    const entries = readdirSync('/').filter((name) => !name.startsWith('.')).length + 1;
    expect(ended).toMatchObject({
      exitClass: 'done',
      stdout: `hello${join(dir, 'work')}\n${process.getuid?.()}\n${entries}\n`,
    });
    expect(existsSync(target)).toBe(false);
  });

  it('at a place that is not there are refused in words', async () => {
    const ended = await run('true', mount(join(dir, 'nowhere/deep'), true));
    expect(ended).toMatchObject({ exitClass: 'user_error', code: 126 });
    expect(ended.stderrTail.join()).toContain('[gantry] there is no');
  });

  it('are stopped and killed as any worker', async () => {
    const ended = run('trap "exit 143" TERM; echo up; while :; do sleep 0.05; done', {
      ...mount(join(dir, 'work/in'), true),
    });
    const { stdout } = workerFiles(join(dir, 'workers'), 'w');
    await expect
      .poll(() => existsSync(stdout) && readFileSync(stdout, 'utf8'), { timeout: 60_000 })
      .toBe('up\n');
    await runner.stop('w', { graceMs: 20_000 });
    expect(await ended).toMatchObject({ exitClass: 'preempted', code: 143 });
  });
});

describe('secrets', () => {
  it('reach the command, lie on no disk, and are masked in what is kept of stderr', async () => {
    const secretEnv = { TOKEN: 'very-secret-value' };
    const ended = await run('echo "[$TOKEN]" >&2; test ${#TOKEN} = 17', { secretEnv });
    expect(ended).toMatchObject({ exitClass: 'done', stderrTail: ['[*****************]'] });
    const files = workerFiles(join(dir, 'workers'), 'w');
    for (const name of readdirSync(files.dir)) {
      if (['stderr.log', 'stage', 'own'].includes(name)) continue;
      expect(readFileSync(join(files.dir, name), 'utf8'), name).not.toContain('very-secret');
    }
  });
});

describe('an ended worker', () => {
  it('is told once more to a later server, unless its end was acknowledged', async () => {
    await run('echo kept', {});
    expect(await runner.list()).toMatchObject([
      {
        workerId: 'w',
        state: 'exited',
        isAcknowledged: false,
        isTrimmed: false,
        endedAtMs: expect.any(Number),
      },
    ]);
    await runner.acknowledge('w', 'end');
    await runner[Symbol.asyncDispose]();
    runner = createLocalRunner({ workersDir: join(dir, 'workers'), nodePath: process.execPath, isolation });
    expect(await runner.list()).toMatchObject([{ state: 'exited', isAcknowledged: true }]);
    // Only what runs is told now.
    expect(await run('true', { workerId: 'w2' })).toMatchObject({ exitClass: 'done' });
  });

  it('keeps its output when its files are removed, and cannot begin again', async () => {
    await run('echo kept', {});
    await runner.remove('w', { keepLogs: true });
    const { dir: worker, stdout } = workerFiles(join(dir, 'workers'), 'w');
    expect(readdirSync(worker).sort()).toEqual([
      'exit.json',
      'spec.json',
      'spec.json.claim',
      'stderr.log',
      'stdout.log',
    ]);
    expect(readFileSync(stdout, 'utf8')).toBe('kept\n');
    await runner.remove('w');
    expect(existsSync(worker)).toBe(false);
  });
});
