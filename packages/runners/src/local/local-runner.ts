/**
 * Workers of this machine. All that must outlive the server lies in each worker's folder; what is in memory
 * here can be made again from there, which is what happens when a server starts.
 */
import type { ChildProcess } from 'node:child_process';
import {
  existsSync,
  type FSWatcher,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  watch,
} from 'node:fs';
import { extname, join } from 'node:path';
import { createAbortableQueue } from '@gantry/kit';
import type { Runner, WorkerEvent, WorkerSpec } from '@gantry/ports';
import type { ContainerTool } from '../containers/container-tool.ts';
import { sweepContainers } from '../containers/sweep-containers.ts';
import { classifyExit } from './classify-exit.ts';
import { type Isolation, probeIsolation } from './isolation.ts';
import { killWorker } from './kill-worker.ts';
import { type HiddenFolders, launchShim } from './launch-shim.ts';
import { mayStillBegin } from './may-still-begin.ts';
import { ownFileBytes } from './own-file.ts';
import { readWorkerLog } from './read-worker-log.ts';
import { type ReportTail, createReportTail } from './report-tail.ts';
import {
  type AcknowledgedRecord,
  type ExitRecord,
  type ShimRecord,
  type SpecRecord,
  claim,
  readJson,
  startTimeOf,
  type WorkerFiles,
  workerFiles,
  writeJson,
} from './worker-files.ts';

export interface LocalRunnerOptions {
  readonly workersDir: string;
  readonly nodePath: string;
  readonly shimPath?: string;
  /** Folders of which a worker sees only its own and what its spec says that it needs, where the machine permits. */
  readonly hidden?: HiddenFolders;
  /** Found out by building the walls once when left out. */
  readonly isolation?: Isolation;
  /** Runs workers that have an image; left out: they are refused. */
  readonly containers?: ContainerTool | undefined;
}

interface Watched {
  readonly workerId: string;
  readonly tail: ReportTail;
  watchers: readonly FSWatcher[];
  shim: ChildProcess | undefined;
  isStartedTold: boolean;
  isEnded: boolean;
}

const safeId = /^[a-z0-9][a-z0-9_.-]{0,120}$/;

export function createLocalRunner(options: LocalRunnerOptions): Runner {
  mkdirSync(options.workersDir, { recursive: true });
  const shimPath = options.shimPath ?? join(import.meta.dirname, `shim${extname(import.meta.filename)}`);
  const isolation = options.isolation ?? probeIsolation();
  const { hidden, containers } = options;
  if (hidden !== undefined) mkdirSync(hidden.heldDir, { recursive: true, mode: 0o700 });
  const watched = new Map<string, Watched>();
  const queue = createAbortableQueue<WorkerEvent>();
  const at = (workerId: string): WorkerFiles => {
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
    closeAll(entry.watchers);
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
      shim === undefined ? mayStillBegin(entry.shim, files) : startTimeOf(shim.shimPid) === shim.shimStart;
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
      tail: createReportTail(files.report, readJson<AcknowledgedRecord>(files.acknowledged)?.offsetBytes),
      watchers: [],
      shim,
      isStartedTold: false,
      isEnded: false,
    };
    watched.set(workerId, entry);
    entry.watchers = [files.dir, files.own]
      .filter(existsSync)
      .map((dir) => watch(dir, { persistent: false }, () => look(entry)).on('error', () => undefined));
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

  const isKnown = (name: string): boolean => safeId.test(name) && existsSync(at(name).spec);
  const known = (): readonly string[] => readdirSync(options.workersDir).filter(isKnown);

  for (const name of known()) {
    // What is written down for good need not be told to every later server.
    if (readJson<AcknowledgedRecord>(at(name).acknowledged)?.isEndKnown !== true) follow(name);
  }

  if (containers !== undefined)
    void sweepContainers(containers, options.workersDir, (workerId) => watched.has(workerId));

  return {
    start: async (spec: WorkerSpec) => {
      const files = at(spec.workerId);
      if (spec.image !== undefined && containers === undefined)
        throw new Error(`nothing on this machine runs the image ${spec.image.reference}`);
      if (spec.network !== undefined && isolation.network === undefined)
        throw new Error('no worker of this machine can have a network of its own');
      mkdirSync(files.own, { recursive: true, mode: 0o700 });
      // The one and only start: whoever makes this file does it.
      if (!claim(`${files.spec}.claim`)) {
        const known = watched.get(spec.workerId);
        if (known !== undefined) {
          known.isStartedTold = false;
          look(known);
        } else follow(spec.workerId);
        return;
      }
      const shim = launchShim(spec, files, {
        nodePath: options.nodePath,
        shimPath,
        isolation,
        containers,
        hidden,
      });
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
    list: async (among) =>
      (among?.filter(isKnown) ?? known()).map((workerId) => {
        const files = at(workerId);
        const about = {
          workerId,
          jobId: readJson<SpecRecord>(files.spec)?.jobId ?? '',
          isAcknowledged: readJson<AcknowledgedRecord>(files.acknowledged)?.isEndKnown === true,
          isTrimmed: !existsSync(files.report),
        };
        const endedAtMs = statSync(files.exit, { throwIfNoEntry: false })?.mtimeMs;
        if (endedAtMs !== undefined) return { ...about, state: 'exited', endedAtMs };
        const shim = readJson<ShimRecord>(files.shim);
        const isAlive =
          shim === undefined ? watched.has(workerId) : startTimeOf(shim.shimPid) === shim.shimStart;
        return isAlive
          ? { ...about, state: 'running' }
          : { ...about, state: 'lost', endedAtMs: statSync(files.spec).mtimeMs };
      }),
    async *events(signal) {
      signal.addEventListener('abort', () => queue.close(), { once: true });
      yield* queue;
    },
    readLog: (workerId, query) => readWorkerLog(at(workerId), query),
    acknowledge: async (workerId, upTo) => {
      const files = at(workerId);
      if (!existsSync(files.dir)) return;
      const size = ownFileBytes(files.report);
      if (upTo === 'end') writeJson(files.acknowledged, { offsetBytes: size, isEndKnown: true });
      else if (size >= upTo) writeJson(files.acknowledged, { offsetBytes: upTo });
    },
    remove: async (workerId, removal = {}) => {
      closeAll(watched.get(workerId)?.watchers ?? []);
      watched.delete(workerId);
      const files = at(workerId);
      if (removal.keepLogs !== true) {
        rmSync(files.dir, { recursive: true, force: true });
        return;
      }
      // The claim and the end stay: an id that was used can never begin again.
      const kept = [
        files.spec,
        `${files.spec}.claim`,
        files.exit,
        files.acknowledged,
        files.stdout,
        files.stderr,
        files.logClock,
      ];
      for (const name of existsSync(files.dir) ? readdirSync(files.dir) : []) {
        const path = join(files.dir, name);
        if (!kept.includes(path)) rmSync(path, { recursive: true, force: true });
      }
    },
    facts: {
      mounts: isolation.mounts !== undefined,
      ownNetwork: isolation.network !== undefined,
      ...(containers === undefined
        ? {}
        : { containers: { tool: containers.kind, version: containers.version } }),
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(patrol);
      for (const entry of watched.values()) closeAll(entry.watchers);
      // A worker that comes up just now still builds its view there.
      if (hidden !== undefined && watched.size === 0) removeEmpty(hidden.heldDir);
      queue.close();
    },
  };
}

function removeEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // gone already, or another server's
  }
}

function closeAll(watchers: readonly FSWatcher[]): void {
  for (const watcher of watchers) watcher.close();
}
