/**
 * Workers outlive their server; whoever removes a data directory ends them first. Asked through the shim of
 * each: a file says how long it may take, a signal makes it look (docs/runners.md).
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';

const graceMs = 5_000;
const patienceMs = 30_000;

interface RunningWorker {
  readonly id: string;
  readonly shimPid: number;
}

export function runningWorkers(dataDir: string): readonly RunningWorker[] {
  const workers = join(dataDir, 'workers');
  return namesIn(workers).flatMap((id) => {
    const shimPid = shimOf(join(workers, id));
    return shimPid === undefined || !isShimOf(shimPid, id) ? [] : [{ id, shimPid }];
  });
}

export async function endWorkers(dataDir: string): Promise<void> {
  const running = runningWorkers(dataDir);
  for (const { id, shimPid } of running) {
    writeFileSync(join(dataDir, 'workers', id, 'stop.json'), JSON.stringify({ graceMs }));
    signal(shimPid, 'SIGTERM');
  }
  const startedMs = Date.now();
  while (running.some(({ id, shimPid }) => isShimOf(shimPid, id))) {
    const waitedMs = Date.now() - startedMs;
    if (waitedMs > patienceMs) for (const { shimPid } of running) signal(shimPid, 'SIGKILL');
    if (waitedMs > 2 * patienceMs)
      throw new CliError('in_use', `workers ${running.map(({ id }) => id).join(', ')} do not end`, {
        exitCode: exitCodes.refused,
        hint: 'they belong to another user: run it as that user, or as root',
      });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const namesIn = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);

function shimOf(workerDir: string): number | undefined {
  try {
    const { shimPid } = JSON.parse(readFileSync(join(workerDir, 'shim.json'), 'utf8')) as { shimPid: number };
    return Number.isInteger(shimPid) && shimPid > 1 ? shimPid : undefined;
  } catch {
    return undefined;
  }
}

/** A process id may be somebody else's by now: the shim of a worker has the worker's id in its command line. */
function isShimOf(pid: number, workerId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(workerId);
  } catch {
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone already
  }
}
