/**
 * What workers use now: resident memory and busy cores of each worker's whole process tree, read from /proc when
 * somebody asks. Busy cores are a mean since the last time somebody asked, or since the worker began.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { type ShimRecord, readJson, workerFiles } from './worker-files.ts';

export interface WorkerUse {
  readonly residentBytes: number;
  readonly busyCores: number;
  readonly pids: readonly number[];
}

export interface WorkerMeter {
  /** Those that run; empty where there is no /proc. */
  read(workerIds: readonly string[]): ReadonlyMap<string, WorkerUse>;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** With that of the children it waited for. */
  readonly cpuSeconds: number;
  readonly startedSeconds: number;
  readonly residentBytes: number;
}

interface Reading {
  readonly atSeconds: number;
  readonly cpuSeconds: number;
  readonly busyCores: number;
}

/** USER_HZ: the unit of times in /proc, 100 on every architecture Linux has today (`man 5 proc`). */
const ticksPerSecond = 100;
/** Two that ask at nearly the same time get the same answer. */
const leastWindowSeconds = 0.5;

export function createWorkerMeter(workersDir: string, uptimeSeconds: () => number = uptime): WorkerMeter {
  let before = new Map<string, Reading>();
  return {
    read: (workerIds) => {
      const uses = new Map<string, WorkerUse>();
      const readings = new Map<string, Reading>();
      const processes = workerIds.length === 0 ? [] : readProcesses();
      const atSeconds = uptimeSeconds();
      for (const workerId of workerIds) {
        const root = readJson<ShimRecord>(workerFiles(workersDir, workerId).shim)?.childPid;
        const tree = root === undefined ? [] : treeOf(root, processes);
        if (tree.length === 0) continue;
        const sum = (of: (process: Process) => number): number =>
          tree.reduce((total, process) => total + of(process), 0);
        const reading = readingOf(
          before.get(workerId) ?? {
            atSeconds: Math.min(...tree.map(({ startedSeconds }) => startedSeconds)),
            cpuSeconds: 0,
            busyCores: 0,
          },
          atSeconds,
          sum(({ cpuSeconds }) => cpuSeconds),
        );
        readings.set(workerId, reading);
        uses.set(workerId, {
          residentBytes: sum(({ residentBytes }) => residentBytes),
          busyCores: reading.busyCores,
          pids: tree.map(({ pid }) => pid),
        });
      }
      before = readings;
      return uses;
    },
  };
}

function readingOf(before: Reading, atSeconds: number, cpuSeconds: number): Reading {
  const windowSeconds = atSeconds - before.atSeconds;
  if (windowSeconds < leastWindowSeconds) return before;
  // A process that ended unwaited for takes its time along.
  return { atSeconds, cpuSeconds, busyCores: Math.max(0, cpuSeconds - before.cpuSeconds) / windowSeconds };
}

/** The worker's first process, what descends from it, and what stayed in its group or session. */
function treeOf(root: number, processes: readonly Process[]): readonly Process[] {
  const members = new Set([root]);
  // Parents have smaller ids except where ids wrapped around: a few rounds reach everything.
  for (let grown = -1; grown !== members.size;) {
    grown = members.size;
    for (const { pid, parent, group, session } of processes)
      if (members.has(parent) || group === root || session === root) members.add(pid);
  }
  return processes.filter(({ pid }) => members.has(pid));
}

function readProcesses(): readonly Process[] {
  let names: readonly string[];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [parseStat(readFileSync(`/proc/${name}/stat`, 'utf8'))];
    } catch {
      return [];
    }
  });
}

/** `man 5 proc_pid_stat`; the command in parentheses may hold anything, so fields count from the last one. */
function parseStat(text: string): Process {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (field: number): number => Number(fields[field - 3]);
  return {
    pid: Number.parseInt(text, 10),
    parent: at(4),
    group: at(5),
    session: at(6),
    cpuSeconds: (at(14) + at(15) + at(16) + at(17)) / ticksPerSecond,
    startedSeconds: at(22) / ticksPerSecond,
    residentBytes: at(24) * pageBytes(),
  };
}

let knownPageBytes: number | undefined;
/** 4 KiB on most machines, 16 or 64 on some with ARM: what Node says in bytes over what /proc says in pages. */
function pageBytes(): number {
  knownPageBytes ??=
    2 **
    Math.round(
      Math.log2(process.memoryUsage.rss() / Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1])),
    );
  return knownPageBytes;
}

function uptime(): number {
  try {
    return Number.parseFloat(readFileSync('/proc/uptime', 'utf8'));
  } catch {
    return performance.now() / 1000;
  }
}
