/**
 * kill -9 of server, shim or worker at seeded moments: each worker's end is told, its command ran at most once, and
 * nothing of it goes on. More rounds: GANTRY_KILL_ROUNDS.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@gantry/kit';
import type { WorkerEvent } from '@gantry/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeIsolation } from './isolation.ts';
import { createLocalRunner } from './local-runner.ts';
import { type ShimRecord, readJson, workerFiles } from './worker-files.ts';

const rounds = Number(process.env['GANTRY_KILL_ROUNDS'] ?? 12);
const isolation = probeIsolation();
let workersDir: string;
beforeAll(() => {
  workersDir = mkdtempSync(join(tmpdir(), 'gantry-kill-'));
});
afterAll(() => rmSync(workersDir, { recursive: true, force: true }));

/** A server of its own process that starts one worker and dies by its own hand some time later. */
const server = `
const [runnerModule, options, spec, diesAfterMs] = process.argv.slice(1);
const { createLocalRunner } = await import(runnerModule);
const runner = createLocalRunner(JSON.parse(options));
setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(diesAfterMs));
await runner.start(JSON.parse(spec));
setInterval(() => {}, 1000);
`;

function processesOf(workerId: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/environ`, 'utf8').includes(`GANTRY_WORKER_ID=${workerId}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** With a zero after each word, as /proc has it; empty once it has ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function killIfThere(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  } catch {
    // ended by itself
  }
}

describe.skipIf(process.platform !== 'linux')('kill -9', () => {
  it.each(Array.from({ length: rounds }, (_, seed) => seed))(
    'round %i: its end is told, it ran at most once, nothing is left',
    async (seed) => {
      const random = createRandom(seed + 1);
      const workerId = `k${seed}`;
      const runs = join(workersDir, `${workerId}.runs`);
      const spec = {
        workerId,
        attemptId: 'att',
        jobId: 'job',
        rank: 0,
        command: ['/bin/sh', '-c', `echo run >> ${runs}; sleep 0.3; exit 0`],
        cwd: workersDir,
        env: {},
        limits: { cpuMilli: 1000, memoryBytes: 256 * 1024 ** 2, pids: 32 },
        logLimitBytes: 1024 ** 2,
      };
      const options = { workersDir, nodePath: process.execPath, isolation };
      spawnSync(process.execPath, [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module',
        '-e',
        server,
        new URL('./local-runner.ts', import.meta.url).href,
        JSON.stringify(options),
        JSON.stringify(spec),
        String(Math.floor(random.next() * 160)),
      ]);
      const files = workerFiles(workersDir, workerId);
      const victim = (['nobody', 'shim', 'worker'] as const)[Math.floor(random.next() * 3)];
      if (victim === 'shim') killIfThere(readJson<ShimRecord>(files.shim)?.shimPid);
      if (victim === 'worker') killIfThere(processesOf(workerId)[0]);

      const abort = new AbortController();
      await using runner = createLocalRunner(options);
      await runner.start(spec);
      const seen: WorkerEvent[] = [];
      for await (const event of runner.events(abort.signal)) {
        if (event.workerId !== workerId) continue;
        seen.push(event);
        if (event.type === 'exited' || event.type === 'lost') break;
      }
      abort.abort();
      await runner.start(spec);
      await expect.poll(() => processesOf(workerId), { timeout: 60_000, interval: 20 }).toEqual([]);
      const count = existsSync(runs) ? readFileSync(runs, 'utf8').split('\n').length - 1 : 0;
      const end = seen.at(-1);
      expect(count).toBeLessThanOrEqual(1);
      expect(end?.type).toMatch(/^(exited|lost)$/);
      if (end?.type === 'exited' && end.exit.exitClass === 'done') expect(count).toBe(1);
      await runner.remove(workerId);
      appendFileSync(join(workersDir, 'done'), `${workerId} ${victim} ${end?.type}\n`);
    },
  );
});

describe.skipIf(process.platform !== 'linux')('whichever process of a worker is killed from outside', () => {
  it('is the platform’s loss, never the user’s failure', async () => {
    await using runner = createLocalRunner({ workersDir, nodePath: process.execPath, isolation });
    const ends: Record<string, string> = {};
    const events = runner.events(new AbortController().signal)[Symbol.asyncIterator]();
    for (let victim = 0; ; victim += 1) {
      const workerId = `any${victim}`;
      await runner.start({
        workerId,
        attemptId: 'att',
        jobId: 'job',
        rank: 0,
        command: ['sleep', '60'],
        cwd: workersDir,
        env: {},
        limits: { cpuMilli: 1000, memoryBytes: 256 * 1024 ** 2, pids: 32 },
        logLimitBytes: 1024 ** 2,
      });
      await expect
        .poll(() => processesOf(workerId).some((pid) => /^[^\0]*sleep\0/.test(commandOf(pid))), {
          timeout: 60_000,
          interval: 20,
        })
        .toBe(true);
      const pids = processesOf(workerId);
      killIfThere(pids[victim] ?? pids[0]);
      for (;;) {
        const { value: event } = await events.next();
        if (event?.workerId !== workerId || event.type !== 'exited') continue;
        ends[workerId] = event.exit.exitClass;
        break;
      }
      if (victim >= pids.length - 1) break;
    }
    expect(new Set(Object.values(ends))).toEqual(new Set(['infrastructure']));
  });
});
