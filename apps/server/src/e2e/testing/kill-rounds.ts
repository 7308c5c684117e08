/**
 * Kills at random moments, on one data directory: SIGKILL to the server, or to the shim of a running job.
 * Promised: a server's death is not noticed by the job, which runs exactly once; a shim's death costs one
 * attempt, free of charge; nothing of a dead server stays behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createRandom } from '@gantry/kit';
import { type Client, createClient } from '@gantry/sdk';
import { jobEnd, jobWhen } from './follow.ts';

interface RunningServer {
  readonly process: ChildProcess;
  readonly client: Client;
}

export interface RoundResult {
  readonly round: number;
  readonly killed: 'server' | 'shim';
  /** When the server was killed: as soon as the job was accepted, while it ran, or after it had ended unseen. */
  readonly moment: 'accepted' | 'running' | 'ending';
  readonly state: string;
  readonly attempts: number;
  readonly starts: number;
  readonly ends: number;
}

/** Empty when the round went as promised, else what was different. */
export function wrongWith(result: RoundResult): readonly string[] {
  const runs = result.killed === 'server' ? 1 : 2;
  const wrong: string[] = [];
  if (result.state !== 'succeeded') wrong.push(`ended ${result.state}`);
  if (result.starts !== runs) wrong.push(`was started ${result.starts} times, not ${runs}`);
  if (result.attempts !== runs) wrong.push(`took ${result.attempts} attempts, not ${runs}`);
  if (result.ends !== 1) wrong.push(`came to its end ${result.ends} times`);
  return wrong.map((what) => `round ${result.round}, ${result.killed} killed when ${result.moment}: ${what}`);
}

export async function* killRounds(options: {
  readonly dir: string;
  readonly rounds: number;
  readonly seed: number;
}): AsyncGenerator<RoundResult> {
  const random = createRandom(options.seed);
  const dataDir = join(options.dir, 'd');
  let server = await startServer(dataDir);
  try {
    for (let round = 0; round < options.rounds; round += 1) {
      // The first rounds see every kind once; the rest are drawn.
      const killed = round === 1 || (round > 3 && random.below(4) === 0) ? 'shim' : 'server';
      const moments = ['running', 'accepted', 'ending'] as const;
      const moment =
        killed === 'shim'
          ? 'running'
          : round < 4
            ? (moments[(round + 1) % 3] ?? 'running')
            : random.pick(moments);
      const diary = join(options.dir, `diary-${round}`);
      const gate = join(options.dir, `gate-${round}`);
      const name = `round-${round}`;
      await server.client.call('jobs.submit', {
        body: {
          name,
          command: `echo start >> ${diary}; while [ ! -e ${gate} ]; do sleep 0.02; done; echo end >> ${diary}`,
          resources: { cpu: 0.5, memory: '128MiB' },
        },
      });
      if (moment !== 'accepted') {
        const job = await jobWhen(server.client, name, ({ state }) => state === 'running');
        await until(async () => (await linesOf(diary)).includes('start'));
        if (killed === 'shim') {
          const attempt = job.attempts.at(-1)?.id ?? '';
          const record = await readFile(join(dataDir, 'workers', `${attempt}-0`, 'shim.json'), 'utf8');
          process.kill((JSON.parse(record) as { shimPid: number }).shimPid, 'SIGKILL');
          await until(async () => (await linesOf(diary)).filter((line) => line === 'start').length === 2);
        }
      }
      if (killed === 'server') await kill(server, 'SIGKILL');
      if (killed === 'shim' || moment === 'ending') await writeFile(gate, '');
      if (moment === 'ending' && killed === 'server')
        await until(async () => (await linesOf(diary)).includes('end'));
      if (killed === 'server') server = await startServer(dataDir);
      await writeFile(gate, '');
      const job = await jobEnd(server.client, name);
      const lines = await linesOf(diary);
      yield {
        round,
        killed,
        moment,
        state: job.state,
        attempts: job.attempts.length,
        starts: lines.filter((line) => line === 'start').length,
        ends: lines.filter((line) => line === 'end').length,
      };
      await rm(diary);
      await rm(gate);
    }
  } finally {
    await kill(server, 'SIGTERM');
  }
}

async function startServer(dataDir: string): Promise<RunningServer> {
  const main = join(import.meta.dirname, '..', '..', 'main.ts');
  const child = spawn(process.execPath, [main, '--data-dir', dataDir, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4_000)));
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line) as { url: string };
    const key = (await readFile(join(dataDir, 'keys', 'operator.key'), 'utf8')).trim();
    return { process: child, client: createClient({ baseUrl: url, key }) };
  }
  throw new Error(`the server did not start: ${stderr}`);
}

async function kill(server: RunningServer, signal: NodeJS.Signals): Promise<void> {
  const ended = once(server.process, 'exit');
  if (server.process.exitCode !== null || server.process.signalCode !== null) return;
  server.process.kill(signal);
  await ended;
}

/** Processes that work in this directory or were started with it: what a killed server may have left. */
export async function processesOf(dir: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    if (Number(pid) !== process.pid && (cwd.startsWith(dir) || words.includes(dir)))
      found.push(`${pid} ${words.trim()}`);
  }
  return found;
}

const linesOf = async (file: string): Promise<readonly string[]> =>
  (await readFile(file, 'utf8').catch(() => '')).split('\n');

/** Until something outside any server's sight holds; the test's own time limit bounds it. */
export async function until(holds: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
  const giveUpAtMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAtMs)
      throw new Error(`did not happen within ${limitMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
