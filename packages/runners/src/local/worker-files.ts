/** The files through which server, shim and worker speak; each outlives whoever wrote it. */
import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const workerFiles = (workersDir: string, workerId: string) => {
  const dir = join(workersDir, workerId);
  return {
    dir,
    spec: join(dir, 'spec.json'),
    /** Made by whoever decides first: the shim that begins, or a server that gives the worker up. */
    begin: join(dir, 'begin'),
    shim: join(dir, 'shim.json'),
    stop: join(dir, 'stop.json'),
    exit: join(dir, 'exit.json'),
    report: join(dir, 'report.jsonl'),
    stdout: join(dir, 'stdout.log'),
    stderr: join(dir, 'stderr.log'),
  };
};

export interface ShimRecord {
  readonly shimPid: number;
  readonly shimStart: string;
  readonly childPid: number;
  readonly childStart: string;
}

export interface ExitRecord {
  readonly code: number | null;
  readonly signal: string | null;
  readonly cause?: 'out_of_memory' | 'time_limit' | 'too_many_processes' | 'not_started';
  readonly message?: string;
  readonly isStopRequested: boolean;
  readonly stderrTail: readonly string[];
  readonly at: string;
}

export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** True for the one caller that made the file. */
export function claim(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whole or not at all: readers never see half a file. */
export function writeJson(file: string, value: unknown): void {
  writeFileSync(`${file}.tmp`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** A process id may be somebody else's by now; with its start time it is one process for ever. '' when gone. */
export function startTimeOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    try {
      process.kill(pid, 0);
      return process.platform === 'linux' ? '' : 'alive';
    } catch {
      return '';
    }
  }
}
