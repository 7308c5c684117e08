/**
 * The files through which server, shim and worker speak; each outlives whoever wrote it. The worker sees its `own` folder
 * alone: what the server trusts (how to end it, which tool to call for that, how it ended, its logs) lies beside it.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerImage, WorkerSpec } from '@gantry/ports';
import type { ContainerTool } from '../containers/container-tool.ts';
import type { Isolation } from './isolation.ts';
import { readOwnFile, writeOwnFile } from './own-file.ts';
import type { PrivateView } from './private-view.ts';

export const workerFiles = (workersDir: string, workerId: string) => {
  const dir = join(workersDir, workerId);
  const own = join(dir, 'own');
  return {
    dir,
    /** The worker's; nothing in it is what it seems until it was looked at (`own-file.ts`). */
    own,
    spec: join(dir, 'spec.json'),
    /** Made by whoever decides first: the shim that begins, or a server that gives the worker up. */
    begin: join(dir, 'begin'),
    shim: join(dir, 'shim.json'),
    /** The command's process group, written by itself before it begins. */
    pid: join(dir, 'pid'),
    /** Something stands in it once the command of a namespace came to its end by itself. */
    ended: join(dir, 'ended'),
    stop: join(dir, 'stop.json'),
    /** Empty; a file system of the worker's own is built here. */
    stage: join(dir, 'stage'),
    acknowledged: join(dir, 'acknowledged.json'),
    exit: join(dir, 'exit.json'),
    report: join(own, 'report.jsonl'),
    stdout: join(dir, 'stdout.log'),
    stderr: join(dir, 'stderr.log'),
    /** How long both logs were when. */
    logClock: join(dir, 'log-clock'),
  };
};

export type WorkerFiles = ReturnType<typeof workerFiles>;

/** What lies on the disk of a worker: never its secrets, only that there are some. */
export type SpecRecord = Omit<WorkerSpec, 'secretEnv' | 'needs' | 'image'> & {
  readonly isolation: Isolation;
  readonly view?: PrivateView;
  readonly hasSecrets?: boolean;
  readonly container?: ContainerRecord;
};

/** Of a worker that runs in a container. */
export interface ContainerRecord {
  readonly tool: ContainerTool;
  readonly image: Omit<WorkerImage, 'credentials'>;
  /** Folders that it sees at their own paths. */
  readonly shown: readonly string[];
}

export const containerRecord = (
  tool: ContainerTool,
  { credentials: _credentials, ...image }: WorkerImage,
  shown: readonly string[],
): ContainerRecord => ({ tool, image, shown });

/** What comes to a shim through standard input, never through a file. */
export interface WorkerSecrets {
  readonly env: Readonly<Record<string, string>>;
  readonly imageCredentials?: string;
}

export interface AcknowledgedRecord {
  readonly offsetBytes: number;
  readonly isEndKnown?: boolean;
}

/** In the environment of every process of a worker: tells it from a stranger that got its process id later. */
export const workerMark = 'GANTRY_WORKER_ID';

/** A rank of a gang on GPUs: it shares memory with others. */
export const hasGpuPeers = ({ env }: Pick<SpecRecord, 'env'>): boolean =>
  (env['CUDA_VISIBLE_DEVICES'] ?? '') !== '' && Number(env['WORLD_SIZE'] ?? 1) > 1;

/**
 * Ranks that share GPUs among processes open each other's memory by process id (CUDA IPC), which a PID namespace
 * each would prevent; their control group holds them instead.
 */
export const isNamespaced = (spec: SpecRecord): boolean =>
  spec.isolation.namespacePrefix.length > 0 && !hasGpuPeers(spec);

/** True when the process with this id carries the worker's mark. */
export function isOfWorker(pid: number, workerId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${workerMark}=${workerId}`);
  } catch {
    return false;
  }
}

export interface ShimRecord {
  readonly shimPid: number;
  readonly shimStart: string;
  readonly childPid: number;
  readonly childStart: string;
}

export interface ExitRecord {
  readonly code: number | null;
  readonly signal: string | null;
  readonly cause?:
    | 'out_of_memory'
    | 'time_limit'
    | 'too_many_processes'
    | 'not_started'
    | 'image_missing'
    | 'image_unavailable';
  readonly message?: string;
  readonly isStopRequested: boolean;
  /** How often its limit of processes refused another one; left out when never. */
  readonly refusedProcesses?: number;
  readonly stderrTail: readonly string[];
  /** By how much the calendar was set while it ran. */
  readonly clockJumpMs?: number;
  readonly at: string;
}

export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readOwnFile(file)) as T;
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
  writeOwnFile(file, JSON.stringify(value));
}

let bootId: string | undefined;
/** Start times count from boot: two boots may give two processes the same id and start. */
function thisBoot(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

/** A process id may be somebody else's by now; with its start time it is one process for ever. '' when gone. */
export function startTimeOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : `${fields[19]}@${thisBoot()}`;
  } catch {
    try {
      process.kill(pid, 0);
      return process.platform === 'linux' ? '' : 'alive';
    } catch {
      return '';
    }
  }
}
