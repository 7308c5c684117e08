/** What a worker may not do to its neighbours: outgrow its memory, multiply, stay behind, fill the disk. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner, WorkerEvent, WorkerSpec } from '@gantry/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cgroupOf } from './cgroup.ts';
import { type Isolation, probeIsolation } from './isolation.ts';
import { createLocalRunner } from './local-runner.ts';
import { type ShimRecord, readJson, workerFiles } from './worker-files.ts';

const here = probeIsolation();
const bare: Isolation = { namespacePrefix: [], endsWithShim: false, notes: [] };
let workersDir: string;
let runner: Runner;
let abort: AbortController;

const use = (isolation: Isolation): void => {
  runner = createLocalRunner({ workersDir, nodePath: process.execPath, isolation });
};
const script = (workerId: string, text: string, change: Partial<WorkerSpec> = {}): WorkerSpec => ({
  workerId,
  attemptId: 'att',
  jobId: 'job',
  rank: 0,
  command: ['/bin/sh', '-c', text],
  cwd: workersDir,
  env: { GANTRY_REPORT_FILE: workerFiles(workersDir, workerId).report },
  limits: { cpuMilli: 1000, memoryBytes: 512 * 1024 ** 2, pids: 64 },
  logLimitBytes: 1024 ** 2,
  ...change,
});
const runs = (mark: string): number =>
  readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'utf8').includes(mark);
    } catch {
      return false;
    }
  }).length;
async function endOf(workerId: string): Promise<WorkerEvent | undefined> {
  for await (const event of runner.events(abort.signal)) {
    if (event.workerId === workerId && (event.type === 'exited' || event.type === 'lost')) return event;
  }
  return undefined;
}
async function eventually(isTrue: () => boolean): Promise<void> {
  await expect.poll(isTrue, { timeout: 60_000, interval: 20 }).toBe(true);
}

beforeEach(() => {
  workersDir = mkdtempSync(join(tmpdir(), 'gantry-walls-'));
  abort = new AbortController();
});
afterEach(async () => {
  abort.abort();
  await runner[Symbol.asyncDispose]();
  rmSync(workersDir, { recursive: true, force: true });
});

const eatMemory = `exec "${process.execPath}" -e "const held=[];for(;;)held.push(Buffer.alloc(8<<20,1))"`;

describe.each([
  ['the walls of this machine', here],
  ['the watchdog alone', bare],
] as const)('with %s', (_, isolation) => {
  beforeEach(() => use(isolation));

  it('a worker that outgrows its memory is ended and told so', async () => {
    await runner.start(
      script('eats', eatMemory, { limits: { cpuMilli: 1000, memoryBytes: 128 * 1024 ** 2, pids: 64 } }),
    );
    expect(await endOf('eats')).toMatchObject({ exit: { exitClass: 'out_of_memory' } });
  });

  it('a log past its limit keeps its beginning and its end and says so; the worker does not notice', async () => {
    const text = `echo first; head -c 200000 /dev/zero | tr '\\0' x; while ! grep -aq 'gantry. the log' "$OUT"; do sleep 0.05; done; echo last`;
    await runner.start(
      script('talks', text, {
        logLimitBytes: 100_000,
        env: { OUT: workerFiles(workersDir, 'talks').stdout },
      }),
    );
    expect(await endOf('talks')).toMatchObject({ exit: { exitClass: 'done' } });
    const { stdout } = workerFiles(workersDir, 'talks');
    expect(statSync(stdout).size).toBeLessThan(400_000);
    expect(readFileSync(stdout, 'utf8')).toMatch(
      /^first\nx{24994}\n\[gantry\] the log passed 100000 bytes; about 150006 bytes [^\n]+\nx+last\n$/,
    );
    const { signal } = abort;
    const query = { stream: 'stdout', follow: false, signal } as const;
    const page = async (sinceBytes: number, limitBytes: number): Promise<string> =>
      Buffer.concat(
        await Array.fromAsync(runner.readLog('talks', { ...query, sinceBytes, limitBytes })),
      ).toString();
    expect(await page(0, 7)).toBe('first\nx');
    expect(await page(statSync(stdout).size - 5, 100)).toBe('last\n');
  });

  it('a time limit ends a worker that would go on', async () => {
    await runner.start(script('slow', 'exec sleep 60', { timeLimitMs: 50 }));
    expect(await endOf('slow')).toMatchObject({ exit: { exitClass: 'time_limit' } });
  });

  it('signals and codes come through as the command ended', async () => {
    await runner.start(script('segv', 'kill -SEGV $$'));
    expect(await endOf('segv')).toMatchObject({ exit: { signal: 'SIGSEGV', exitClass: 'user_error' } });
    await runner.start(script('code', 'echo why >&2; exit 75'));
    expect(await endOf('code')).toMatchObject({
      exit: { code: 75, exitClass: 'infrastructure', stderrTail: ['why'] },
    });
  });
});

describe.skipIf(here.cgroup === undefined || here.namespacePrefix.length === 0)('behind walls', () => {
  beforeEach(() => use(here));

  it('a fork bomb stops at its process limit and is gone when its worker is', async () => {
    const bomb = 'b() { sleep 30 & b; }; b';
    await runner.start(script('bomb', bomb, { limits: { cpuMilli: 1000, memoryBytes: 2 ** 29, pids: 32 } }));
    expect(await endOf('bomb')).toMatchObject({
      type: 'exited',
      exit: { exitClass: 'user_error', message: expect.stringContaining('limit of processes refused it') },
    });
    expect(runs('GANTRY_WORKER_ID=bomb')).toBe(0);
  });

  it('a daemon in its own session ends with its worker, and the control group is removed', async () => {
    await runner.start(script('fork', 'setsid sleep 61 & sleep 0.1; exit 0'));
    expect(await endOf('fork')).toMatchObject({ exit: { exitClass: 'done' } });
    await eventually(() => runs('GANTRY_WORKER_ID=fork') === 0);
    if (here.cgroup === undefined) return;
    const group = cgroupOf(here.cgroup, workerFiles(workersDir, 'fork').dir);
    await eventually(() => group.procsFiles.every((file) => !existsSync(file)));
  });

  it.skipIf(!here.endsWithShim)(
    'a killed shim takes its worker along even while no server runs',
    async () => {
      await runner.start(script('orphan', 'sleep 62'));
      await eventually(
        () => runs('GANTRY_WORKER_ID=orphan') > 0 && existsSync(workerFiles(workersDir, 'orphan').shim),
      );
      await runner[Symbol.asyncDispose]();
      const shim = readJson<ShimRecord>(workerFiles(workersDir, 'orphan').shim) as ShimRecord;
      process.kill(shim.shimPid, 'SIGKILL');
      await eventually(() => runs('GANTRY_WORKER_ID=orphan') === 0);
      use(here);
      expect(await endOf('orphan')).toMatchObject({ type: 'lost' });
      if (here.cgroup === undefined) return;
      const group = cgroupOf(here.cgroup, workerFiles(workersDir, 'orphan').dir);
      await eventually(() => group.procsFiles.every((file) => !existsSync(file)));
    },
  );
});

describe('reports after a restart', () => {
  it('are told again from where they were acknowledged, with the same offsets', async () => {
    use(here);
    const line = (step: number): string =>
      JSON.stringify({ type: 'progress', at: '2026-01-01T00:00:00Z', step });
    await runner.start(
      script(
        'tells',
        `for s in '${line(1)}' '${line(2)}' '${line(3)}'; do echo "$s" >> $GANTRY_REPORT_FILE; done`,
      ),
    );
    const told = async (): Promise<WorkerEvent[]> => {
      const seen: WorkerEvent[] = [];
      for await (const event of runner.events(abort.signal)) {
        if (event.type === 'report') seen.push(event);
        if (event.type === 'exited') break;
      }
      return seen;
    };
    const first = await told();
    expect(first.map((event) => event.type === 'report' && event.endOffsetBytes)).toEqual(
      [1, 2, 3].map((count) => count * (line(1).length + 1)),
    );
    await runner.acknowledge('tells', 2 * (line(1).length + 1));
    await runner[Symbol.asyncDispose]();
    use(here);
    expect(await told()).toEqual(first.slice(2));
  });
});
