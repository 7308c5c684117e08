/**
 * Workers of this machine. All that must outlive the server lies in each worker's folder; what is in memory
 * here can be made again from there, which is what happens when a server starts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  createReadStream,
  type FSWatcher,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { extname, join } from 'node:path';
import { createAbortableQueue } from '@gantry/kit';
import type { LogQuery, Runner, WorkerEvent, WorkerSpec } from '@gantry/ports';
import { classifyExit } from './classify-exit.ts';
import { cgroupOf } from './cgroup.ts';
import { type Isolation, probeIsolation } from './isolation.ts';
import { type ReportTail, createReportTail } from './report-tail.ts';
import {
  type ExitRecord,
  type ShimRecord,
  type SpecRecord,
  claim,
  isOfWorker,
  readJson,
  startTimeOf,
  workerFiles,
  writeJson,
} from './worker-files.ts';

export interface LocalRunnerOptions {
  readonly workersDir: string;
  readonly nodePath: string;
  readonly shimPath?: string;
  /** Found out by building the walls once when left out. */
  readonly isolation?: Isolation;
}

interface Watched {
  readonly workerId: string;
  readonly tail: ReportTail;
  watcher: FSWatcher | undefined;
  shim: ChildProcess | undefined;
  isStartedTold: boolean;
  isEnded: boolean;
}

const beginWithinMs = 10_000;
const safeId = /^[a-z0-9][a-z0-9_.-]{0,120}$/;

export function createLocalRunner(options: LocalRunnerOptions): Runner {
  mkdirSync(options.workersDir, { recursive: true });
  const shimPath = options.shimPath ?? join(import.meta.dirname, `shim${extname(import.meta.filename)}`);
  const isolation = options.isolation ?? probeIsolation();
  const watched = new Map<string, Watched>();
  const queue = createAbortableQueue<WorkerEvent>();
  const at = (workerId: string): ReturnType<typeof workerFiles> => {
    if (!safeId.test(workerId)) throw new RangeError(`"${workerId}" is no worker id`);
    return workerFiles(options.workersDir, workerId);
  };

  /** Looks at a worker's files and tells what is new. Safe to call at any time, any number of times. */
  const look = (entry: Watched): void => {
    if (entry.isEnded) return;
    const files = at(entry.workerId);
    const shim = readJson<ShimRecord>(files.shim);
    // The exit is read before the reports: what was written before the end is then told before it.
    const exit = readJson<ExitRecord>(files.exit);
    // The first word is the shim's: what the worker says before that is told after it.
    if (shim === undefined && exit === undefined) return;
    if (shim !== undefined && !entry.isStartedTold) {
      entry.isStartedTold = true;
      queue.push({ type: 'started', workerId: entry.workerId, pid: shim.childPid });
    }
    for (const told of entry.tail.read()) queue.push({ type: 'report', workerId: entry.workerId, ...told });
    if (exit !== undefined) {
      const { badLines } = entry.tail;
      end(entry, {
        type: 'exited',
        workerId: entry.workerId,
        exit: classifyExit(exit),
        ...(badLines === 0 ? {} : { badReportLines: badLines }),
      });
    }
  };

  const end = (entry: Watched, event: WorkerEvent): void => {
    entry.isEnded = true;
    entry.watcher?.close();
    watched.delete(entry.workerId);
    queue.push(event);
  };

  /** A shim that is gone without an exit file was killed: its command must not go on without it. */
  const lookForLoss = (entry: Watched): void => {
    look(entry);
    if (entry.isEnded) return;
    const files = at(entry.workerId);
    const shim = readJson<ShimRecord>(files.shim);
    const isAlive =
      shim === undefined ? mayStillBegin(entry, files) : startTimeOf(shim.shimPid) === shim.shimStart;
    if (isAlive) return;
    look(entry);
    if (entry.isEnded) return;
    killWorker(entry.workerId, files, shim);
    end(entry, { type: 'lost', workerId: entry.workerId, message: 'its shim died and left no exit status' });
  };

  const follow = (workerId: string, shim?: ChildProcess): void => {
    const files = at(workerId);
    const entry: Watched = {
      workerId,
      tail: createReportTail(
        files.report,
        readJson<{ offsetBytes: number }>(files.acknowledged)?.offsetBytes,
      ),
      watcher: undefined,
      shim,
      isStartedTold: false,
      isEnded: false,
    };
    watched.set(workerId, entry);
    entry.watcher = watch(files.dir, { persistent: false }, () => look(entry));
    entry.watcher.on('error', () => undefined);
    shim?.on('exit', () => setImmediate(lookForLoss, entry));
    lookForLoss(entry);
  };

  // Shims of an earlier server are not our children: their end is looked for, while there are any.
  const patrol = setInterval(() => {
    for (const entry of watched.values()) {
      if (entry.shim === undefined) lookForLoss(entry);
      else look(entry);
    }
  }, 1_000);
  patrol.unref();

  for (const name of readdirSync(options.workersDir)) {
    if (safeId.test(name) && readJson(at(name).spec) !== undefined) follow(name);
  }

  return {
    start: async (spec: WorkerSpec) => {
      const files = at(spec.workerId);
      mkdirSync(files.dir, { recursive: true, mode: 0o700 });
      // The one and only start: whoever makes this file does it.
      if (!claim(`${files.spec}.claim`)) {
        const known = watched.get(spec.workerId);
        if (known !== undefined) {
          known.isStartedTold = false;
          look(known);
        } else follow(spec.workerId);
        return;
      }
      const base: Record<string, string> = {};
      for (const name of ['PATH', 'HOME', 'LANG', 'TMPDIR', 'USER']) {
        const value = process.env[name];
        if (value !== undefined) base[name] = value;
      }
      mkdirSync(spec.cwd, { recursive: true });
      writeFileSync(files.report, '', { mode: 0o600 });
      writeJson(files.spec, { ...spec, env: { ...base, ...spec.env }, isolation } satisfies SpecRecord);
      const shim = spawn(
        options.nodePath,
        ['--max-old-space-size=64', '--disable-warning=ExperimentalWarning', shimPath, files.spec],
        {
          detached: true,
          stdio: 'ignore',
          env: { PATH: process.env['PATH'] ?? '' },
        },
      );
      shim.unref();
      shim.on('error', () => undefined);
      follow(spec.workerId, shim);
    },
    stop: async (workerId, { graceMs }) => {
      const files = at(workerId);
      if (readJson(files.exit) !== undefined || readJson(files.spec) === undefined) return;
      writeJson(files.stop, { graceMs });
      const shim = readJson<ShimRecord>(files.shim);
      if (shim !== undefined && startTimeOf(shim.shimPid) === shim.shimStart) {
        try {
          process.kill(shim.shimPid, 'SIGUSR2');
        } catch {
          // it ended meanwhile
        }
      }
    },
    list: async () =>
      readdirSync(options.workersDir)
        .filter((name) => safeId.test(name) && readJson(at(name).spec) !== undefined)
        .map((workerId) => {
          const files = at(workerId);
          if (readJson(files.exit) !== undefined) return { workerId, state: 'exited' as const };
          const shim = readJson<ShimRecord>(files.shim);
          const isAlive =
            shim === undefined ? watched.has(workerId) : startTimeOf(shim.shimPid) === shim.shimStart;
          return { workerId, state: isAlive ? ('running' as const) : ('lost' as const) };
        }),
    async *events(signal) {
      signal.addEventListener('abort', () => queue.close(), { once: true });
      yield* queue;
    },
    async *readLog(workerId: string, query: LogQuery) {
      const files = at(workerId);
      let offset = query.sinceBytes;
      for (;;) {
        const isOver = readJson(files.exit) !== undefined;
        const size = sizeOf(files[query.stream]);
        if (size < offset) offset = 0;
        if (size > offset) {
          for await (const chunk of createReadStream(files[query.stream], { start: offset, end: size - 1 })) {
            yield chunk as Uint8Array;
          }
          offset = size;
        }
        if (!query.follow || isOver || query.signal.aborted) return;
        await nextChange(files.dir, query.signal);
      }
    },
    acknowledge: async (workerId, offsetBytes) => {
      const files = at(workerId);
      if (sizeOf(files.report) >= offsetBytes) writeJson(files.acknowledged, { offsetBytes });
    },
    remove: async (workerId) => {
      watched.get(workerId)?.watcher?.close();
      watched.delete(workerId);
      rmSync(at(workerId).dir, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(patrol);
      for (const entry of watched.values()) entry.watcher?.close();
      queue.close();
    },
  };
}

/** Between the spawn of a shim and its first word lies a moment in which its server may die and another look. */
function mayStillBegin(entry: Watched, files: ReturnType<typeof workerFiles>): boolean {
  if (entry.shim !== undefined) return entry.shim.exitCode === null && entry.shim.signalCode === null;
  const claimedAtMs = statSync(`${files.spec}.claim`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const ageMs = Date.now() - claimedAtMs;
  if (ageMs < beginWithinMs) return true;
  return !claim(files.begin) && ageMs < 2 * beginWithinMs;
}

/** Ends what a dead shim left: by its group's mark, as ids are used again, and by its control group. */
function killWorker(
  workerId: string,
  files: ReturnType<typeof workerFiles>,
  shim: ShimRecord | undefined,
): void {
  const written = Number(readText(files.pid));
  const leader = shim?.childPid ?? (Number.isInteger(written) && written > 1 ? written : undefined);
  const isSame =
    shim === undefined
      ? leader !== undefined && isOfWorker(leader, workerId)
      : startTimeOf(shim.childPid) === shim.childStart;
  if (leader !== undefined && isSame) {
    try {
      process.kill(-leader, 'SIGKILL');
    } catch {
      // gone already
    }
  }
  const parents = readJson<SpecRecord>(files.spec)?.isolation?.cgroup;
  if (parents === undefined) return;
  const group = cgroupOf(parents, files.dir);
  const bury = (triesLeft: number): void => {
    group.killAll();
    if (!group.remove() && triesLeft > 0) setTimeout(bury, 20, triesLeft - 1);
  };
  bury(200);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Resolves at the next change in a folder, after a second at the latest (some file systems do not tell). */
function nextChange(dir: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dir, { persistent: false }, () => finish());
    const timer = setTimeout(() => finish(), 1_000);
    const finish = (): void => {
      clearTimeout(timer);
      watcher.close();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    watcher.on('error', finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}
