/** What of a data directory runs, as the kernel tells it: the places where a kill can strike. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly role: 'server' | 'shim' | 'rank' | 'engine' | 'postmaster' | 'backend' | 'supervisor' | 'other';
  /** Of ranks and engines: whose worker it is. */
  readonly workerId?: string;
}

/** Every living process that was started with the directory, works in it or belongs to its database. */
export function processesOf(dataDir: string): readonly Process[] {
  const found: Process[] = [];
  const postmasters = new Set<number>();
  const others: { pid: number; parent: number; command: string }[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const seen = look(Number(name));
    if (seen === undefined) continue;
    const { pid, parent, command, environment, folder } = seen;
    const workerId = /(?:^|\0)GANTRY_WORKER_ID=([^\0]+)/.exec(environment)?.[1];
    const isHere = command.includes(dataDir) || folder.startsWith(dataDir);
    if (workerId !== undefined && environment.includes(dataDir))
      found.push({ pid, parent, command, workerId, role: workerId.startsWith('rep_') ? 'engine' : 'rank' });
    else if (isHere && /\/postgres -D /.test(command) && !command.startsWith('/bin/sh')) {
      postmasters.add(pid);
      found.push({ pid, parent, command, role: 'postmaster' });
    } else if (isHere)
      found.push({
        pid,
        parent,
        command,
        role: command.includes('gantry-postgres')
          ? 'supervisor'
          : /\/shim\.[jt]s /.test(command)
            ? 'shim'
            : /\/server\/src\/main\.[jt]s /.test(command)
              ? 'server'
              : command.startsWith('postgres: gantry ') || command.startsWith('postgres: gantry_')
                ? 'backend'
                : 'other',
      });
    else others.push({ pid, parent, command });
  }
  for (const each of others)
    if (postmasters.has(each.parent))
      found.push({ ...each, role: each.command.startsWith('postgres: gantry') ? 'backend' : 'other' });
  return found;
}

function look(
  pid: number,
): { pid: number; parent: number; command: string; environment: string; folder: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return {
      pid,
      parent: Number(parent),
      command: readFileSync(join('/proc', String(pid), 'cmdline'), 'utf8')
        .replaceAll('\0', ' ')
        .trim(),
      environment: orEmpty(() => readFileSync(`/proc/${pid}/environ`, 'utf8')),
      folder: orEmpty(() => readlinkSync(`/proc/${pid}/cwd`)),
    };
  } catch {
    return undefined; // ended while we looked
  }
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
