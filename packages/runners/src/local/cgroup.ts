/**
 * One control group a worker, made inside our own (limits set on us hold for our workers too). Memory and process
 * count are hard limits; CPU is a weight, so an idle core is never denied to anybody.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { WorkerSpec } from '@gantry/ports';

/** Folders in which a group a worker may be made: one on v2, one a controller on v1. */
export interface CgroupParents {
  readonly version: 1 | 2;
  readonly memory: string;
  readonly pids: string;
  readonly cpu?: string;
}

const mount = '/sys/fs/cgroup';

/** Where our own groups lie, best first. Reads only; whether they may be written is for the probe to find out. */
export function cgroupCandidates(procSelfCgroup: string, root: string = mount): readonly CgroupParents[] {
  const own = new Map<string, string>();
  for (const line of procSelfCgroup.split('\n')) {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) own.set(controller, path);
  }
  if (existsSync(join(root, 'cgroup.controllers'))) {
    const path = join(root, own.get('') ?? '/');
    const places = [path, dirname(path), join(root, 'gantry')];
    return places
      .filter((place) => place.startsWith(root))
      .map((place) => ({ version: 2, memory: place, pids: place, cpu: place }));
  }
  const at = (controller: string): string | undefined =>
    [join(root, controller, own.get(controller) ?? '/'), join(root, controller)].find((dir) =>
      existsSync(dir),
    );
  const [memory, pids, cpu] = [at('memory'), at('pids'), at('cpu')];
  if (memory === undefined || pids === undefined) return [];
  return [{ version: 1, memory, pids, ...(cpu === undefined ? {} : { cpu }) }];
}

export interface WorkerCgroup {
  /** A process that writes 0 into each of these is inside, with all it will ever start. */
  readonly procsFiles: readonly string[];
  wasOutOfMemory(): boolean;
  /** How often a process inside was refused another one. */
  refusedProcesses(): number;
  /** Kills what is inside, also what left its process group or session. */
  killAll(): void;
  /** False while something inside still ends. */
  remove(): boolean;
}

/** The group of a worker; the same name for whoever asks, so that a later server can clean up. */
export function cgroupOf(parents: CgroupParents, workerDir: string): WorkerCgroup {
  const name = `gantry-${createHash('sha256').update(workerDir).digest('hex').slice(0, 16)}`;
  const dirs = [
    ...new Set(
      [parents.memory, parents.pids, parents.cpu].flatMap((parent) =>
        parent === undefined ? [] : [join(parent, name)],
      ),
    ),
  ];
  const memory = join(parents.memory, name);
  return {
    procsFiles: dirs.map((dir) => join(dir, 'cgroup.procs')),
    wasOutOfMemory: () => {
      const file = parents.version === 2 ? 'memory.events' : 'memory.oom_control';
      return Number(/^oom_kill (\d+)$/m.exec(read(join(memory, file)))?.[1] ?? 0) > 0;
    },
    refusedProcesses: () =>
      Number(/^max (\d+)$/m.exec(read(join(parents.pids, name, 'pids.events')))?.[1] ?? 0),
    killAll: () => {
      if (parents.version === 2 && tryWrite(join(memory, 'cgroup.kill'), '1')) return;
      for (const dir of dirs) {
        for (const pid of read(join(dir, 'cgroup.procs')).split('\n').filter(Boolean)) {
          try {
            process.kill(Number(pid), 'SIGKILL');
          } catch {
            // ended meanwhile
          }
        }
      }
    },
    remove: () => dirs.map(isRemoved).every(Boolean),
  };
}

/** Throws where a limit cannot be set: then the group is not used at all. */
export function createCgroup(
  parents: CgroupParents,
  workerDir: string,
  limits: WorkerSpec['limits'],
): WorkerCgroup {
  const group = cgroupOf(parents, workerDir);
  if (parents.version === 2) {
    mkdirSync(parents.memory, { recursive: true });
    tryWrite(join(parents.memory, 'cgroup.subtree_control'), '+memory +pids');
    tryWrite(join(parents.memory, 'cgroup.subtree_control'), '+cpu');
  }
  for (const file of group.procsFiles) mkdirSync(dirname(file), { recursive: true });
  const name = dirname(group.procsFiles[0] ?? '')
    .split('/')
    .at(-1) as string;
  const memory = join(parents.memory, name);
  const cpu = parents.cpu === undefined ? undefined : join(parents.cpu, name);
  writeFileSync(join(parents.pids, name, 'pids.max'), String(limits.pids));
  if (parents.version === 2) {
    writeFileSync(join(memory, 'memory.max'), String(limits.memoryBytes));
    tryWrite(join(memory, 'memory.swap.max'), '0');
    // One out-of-memory kill ends the whole worker: half a worker would only hang its gang.
    tryWrite(join(memory, 'memory.oom.group'), '1');
    if (cpu !== undefined) tryWrite(join(cpu, 'cpu.weight'), String(clamp(limits.cpuMilli / 10, 1, 10_000)));
  } else {
    writeFileSync(join(memory, 'memory.limit_in_bytes'), String(limits.memoryBytes));
    tryWrite(join(memory, 'memory.memsw.limit_in_bytes'), String(limits.memoryBytes));
    if (cpu !== undefined)
      tryWrite(join(cpu, 'cpu.shares'), String(clamp(limits.cpuMilli * 1.024, 2, 262_144)));
  }
  return group;
}

const clamp = (value: number, low: number, high: number): number =>
  Math.round(Math.min(high, Math.max(low, value)));

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function tryWrite(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

function isRemoved(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
