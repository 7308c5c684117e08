import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner, WorkerEvent, WorkerSpec } from '@gantry/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classifyExit } from './classify-exit.ts';
import { createLocalRunner } from './local-runner.ts';
import { type ShimRecord, readJson, startTimeOf, workerFiles } from './worker-files.ts';

let workersDir: string;
let runner: Runner;
const controller = { current: new AbortController() };

const spec = (
  workerId: string,
  command: readonly string[],
  change: Partial<WorkerSpec> = {},
): WorkerSpec => ({
  workerId,
  attemptId: 'att',
  jobId: 'job',
  rank: 0,
  command,
  cwd: workersDir,
  env: { GANTRY_REPORT_FILE: workerFiles(workersDir, workerId).report },
  limits: { cpuMilli: 1000, memoryBytes: 512 * 1024 ** 2, pids: 64 },
  logLimitBytes: 1024 ** 2,
  ...change,
});

/** What a worker of these tests says once it is under way. */
const factsLine = JSON.stringify({ type: 'facts', at: '2026-01-01T00:00:00Z', values: {} });

async function until(
  from: AsyncIterable<WorkerEvent>,
  workerId: string,
  type: WorkerEvent['type'],
): Promise<WorkerEvent[]> {
  const seen: WorkerEvent[] = [];
  for await (const event of from) {
    if (event.workerId !== workerId) continue;
    seen.push(event);
    if (event.type === type || event.type === 'lost') break;
  }
  return seen;
}

beforeEach(() => {
  workersDir = mkdtempSync(join(tmpdir(), 'gantry-run-'));
  controller.current = new AbortController();
  runner = createLocalRunner({ workersDir, nodePath: process.execPath });
});
afterEach(async () => {
  controller.current.abort();
  await runner[Symbol.asyncDispose]();
  rmSync(workersDir, { recursive: true, force: true });
});

describe('the local runner', () => {
  it('runs a command, follows its reports in order and learns how it ended', async () => {
    const line = JSON.stringify({ type: 'progress', at: '2026-01-01T00:00:00Z', step: 3, loss: 1.5 });
    await runner.start(
      spec('w1', [
        '/bin/sh',
        '-c',
        `echo '${line}' >> $GANTRY_REPORT_FILE; echo garbage >> $GANTRY_REPORT_FILE; echo hello; exit 0`,
      ]),
    );
    const events = await until(runner.events(controller.current.signal), 'w1', 'exited');
    expect(events.map(({ type }) => type)).toEqual(['started', 'report', 'exited']);
    expect(events.at(-1)).toMatchObject({ exit: { exitClass: 'done' }, badReportLines: 1 });
    expect(readFileSync(workerFiles(workersDir, 'w1').stdout, 'utf8')).toBe('hello\n');
  });

  it('starts a worker once, however often it is asked', async () => {
    const command = ['/bin/sh', '-c', 'echo run >> runs; exit 3'];
    await runner.start(spec('w2', command));
    const events = until(runner.events(controller.current.signal), 'w2', 'exited');
    await runner.start(spec('w2', command));
    expect((await events).at(-1)).toMatchObject({ exit: { exitClass: 'user_error', code: 3 } });
    await runner.start(spec('w2', command));
    expect(readFileSync(join(workersDir, 'runs'), 'utf8')).toBe('run\n');
  });

  it('stops the whole group: SIGTERM first, SIGKILL after the grace', async () => {
    await runner.start(
      spec('w3', [
        '/bin/sh',
        '-c',
        `trap "" TERM; sleep 60 & echo '${factsLine}' >> $GANTRY_REPORT_FILE; while :; do sleep 0.05; done`,
      ]),
    );
    const events = runner.events(controller.current.signal)[Symbol.asyncIterator]();
    await events.next();
    expect((await events.next()).value).toMatchObject({ type: 'report' });
    await runner.stop('w3', { graceMs: 100 });
    expect((await events.next()).value).toMatchObject({
      type: 'exited',
      exit: { exitClass: 'preempted', signal: 'SIGKILL' },
    });
  });

  it('adopts after a restart what the last server started', async () => {
    await runner.start(spec('w4', ['/bin/sh', '-c', 'while [ ! -e go ]; do sleep 0.02; done; exit 0']));
    await runner[Symbol.asyncDispose]();
    runner = createLocalRunner({ workersDir, nodePath: process.execPath });
    await runner.start(spec('w5', ['/bin/sh', '-c', 'touch go']));
    expect((await until(runner.events(controller.current.signal), 'w4', 'exited')).at(-1)).toMatchObject({
      exit: { exitClass: 'done' },
    });
  });

  it('reports a worker as lost when its shim is killed, and leaves nothing of it running', async () => {
    await runner.start(spec('w6', ['/bin/sh', '-c', 'sleep 60']));
    const events = runner.events(controller.current.signal)[Symbol.asyncIterator]();
    await events.next();
    const shim = readJson<ShimRecord>(workerFiles(workersDir, 'w6').shim) as ShimRecord;
    process.kill(shim.shimPid, 'SIGKILL');
    expect((await events.next()).value).toMatchObject({ type: 'lost', workerId: 'w6' });
    await expect
      .poll(() => startTimeOf(shim.childPid), { timeout: 60_000, interval: 20 })
      .not.toBe(shim.childStart);
  });

  it.each([
    [['/no/such/program'], {}, 'there is no program "/no/such/program"'],
    [['no-such-program'], {}, 'there is no program "no-such-program" on its PATH'],
    [['/etc/passwd'], {}, '"/etc/passwd" may not be executed'],
    [[''], {}, 'the command is empty'],
    [['true'], { cwd: '/no/such/folder' }, 'its working directory /no/such/folder is not there'],
  ])('says in words why %j could not be started', async (command, change, message) => {
    await runner.start({ ...spec('w7', command), ...change });
    const events = await until(runner.events(controller.current.signal), 'w7', 'exited');
    expect(events.at(-1)).toMatchObject({
      exit: { exitClass: 'user_error', message: expect.stringContaining(message), hint: expect.any(String) },
    });
    expect(existsSync('/no')).toBe(false);
  });

  it('refuses an id that would leave its folder', async () => {
    await expect(runner.start(spec('../evil', ['true']))).rejects.toThrow('no worker id');
  });
});

describe('how an end is classified', () => {
  const record = { code: null, signal: null, isStopRequested: false, stderrTail: [], at: '' };
  it.each([
    [{ ...record, code: 0 }, 'done'],
    [{ ...record, code: 1 }, 'user_error'],
    [{ ...record, code: 75 }, 'infrastructure'],
    [{ ...record, signal: 'SIGKILL' }, 'infrastructure'],
    [{ ...record, signal: 'SIGSEGV' }, 'user_error'],
    [{ ...record, signal: 'SIGKILL', isStopRequested: true }, 'preempted'],
    [{ ...record, signal: 'SIGKILL', cause: 'out_of_memory' as const }, 'out_of_memory'],
    [{ ...record, signal: 'SIGTERM', cause: 'time_limit' as const }, 'time_limit'],
  ])('%j is %s', (exit, expected) => expect(classifyExit(exit).exitClass).toBe(expected));
});
