/**
 * One small process a worker that outlives the server: starts the command in its own process group with its
 * output going straight to files, enforces the limits, and writes down how it ended. It trusts nobody to be
 * there: the server may be killed and come back.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type WorkerCgroup, cgroupOf, createCgroup } from './cgroup.ts';
import { findProgram } from './find-program.ts';
import { bytesBefore, createLogKeeper } from './keep-logs.ts';
import { createMask } from './mask.ts';
import { type Walls, sandboxCommand, unwrapExit } from './sandbox-command.ts';
import {
  type ExitRecord,
  type SpecRecord,
  claim,
  isNamespaced,
  readJson,
  startTimeOf,
  workerFiles,
  workerMark,
  writeJson,
} from './worker-files.ts';

const pause = new Int32Array(new SharedArrayBuffer(4));
const specFile = process.argv[2] ?? '';
const files = workerFiles(dirname(dirname(specFile)), dirname(specFile).split('/').at(-1) ?? '');
const spec = readJson<SpecRecord>(files.spec);
// A server that came up meanwhile may have given this worker up; then it must not run.
if (spec === undefined) process.exit(64);
/** What may not lie on a disk comes through standard input; half of it is none of it. */
const secretEnv = spec.hasSecrets ? readSecrets() : {};
if (secretEnv === undefined || !claim(files.begin)) process.exit(64);
const masked = createMask(Object.values(secretEnv));

const startedMs = performance.now();
const startedAtMs = Date.now();
const out = openSync(files.stdout, 'a+', 0o600);
const err = openSync(files.stderr, 'a+', 0o600);
let cause: ExitRecord['cause'];
let isStopRequested = false;

const { isolation } = spec;
const cgroup = makeGroup();
const [wanted = '', ...rest] = spec.command;
if (!existsSync(spec.cwd))
  finish(null, null, 'not_started', `its working directory ${spec.cwd} is not there`);
const found = findProgram(wanted, spec.env['PATH'] ?? '', spec.cwd);
const mounts = mountsOf();
// A program that lies in a volume is there only once the volume is.
const isMounted = mounts?.list.some(({ target }) => wanted.startsWith(`${target}/`)) ?? false;
if (found.path === undefined && !isMounted) {
  finish(
    null,
    null,
    'not_started',
    wanted === ''
      ? 'the command is empty'
      : found.code === 'ENOENT'
        ? `there is no program "${wanted}" ${wanted.includes('/') ? `seen from ${spec.cwd}` : 'on its PATH'}`
        : `"${wanted}" may not be executed`,
  );
}
const hasNamespace = isNamespaced(spec);
const [program = '', ...args] = sandboxCommand(
  {
    namespacePrefix: hasNamespace
      ? ((mounts && isolation.mounts?.namespacePrefix) ?? isolation.namespacePrefix)
      : [],
    procsFiles: cgroup?.procsFiles ?? [],
    pidFile: files.pid,
    ...(mounts === undefined ? {} : { mounts }),
  },
  [found.path ?? wanted, ...rest],
);
const ended = hasNamespace ? openSync(files.ended, 'w', 0o600) : undefined;
const child = spawn(program, args, {
  cwd: spec.cwd,
  env: { ...spec.env, ...secretEnv, [workerMark]: spec.workerId },
  detached: true,
  stdio: ['ignore', out, err, ...(ended === undefined ? [] : [ended])],
});
if (ended !== undefined) closeSync(ended);
child.on('error', (error: NodeJS.ErrnoException) => {
  finish(null, null, 'not_started', `${wanted} could not be started: ${error.code ?? error.message}`);
});
if (child.pid !== undefined) {
  writeJson(files.shim, {
    shimPid: process.pid,
    shimStart: startTimeOf(process.pid),
    childPid: child.pid,
    childStart: startTimeOf(child.pid),
  });
}
child.on('exit', (rawCode, rawSignal) => {
  // Whatever the command left behind goes with it, in its group or out of it.
  signalGroup('SIGKILL');
  cgroup?.killAll();
  const { code, signal } = hasNamespace
    ? unwrapExit(rawCode, rawSignal, readFileSync(files.ended, 'utf8') !== '')
    : { code: rawCode, signal: rawSignal };
  if (code !== 0 && cause === undefined && cgroup?.wasOutOfMemory() === true) cause = 'out_of_memory';
  finish(code, signal, cause);
});

/** Without its group a worker still runs: the watchdog below stands in. */
function makeGroup(): WorkerCgroup | undefined {
  const parents = spec?.isolation.cgroup;
  if (spec === undefined || parents === undefined) return undefined;
  try {
    return createCgroup(parents, files.dir, spec.limits);
  } catch {
    cgroupOf(parents, files.dir).remove();
    return undefined;
  }
}

function mountsOf(): Walls['mounts'] {
  const list = spec?.mounts ?? [];
  if (spec?.isolation.mounts === undefined || (list.length === 0 && spec.view === undefined))
    return undefined;
  const { barePrefix: prefix, inner } = spec.isolation.mounts;
  mkdirSync(files.stage, { recursive: true });
  const view = spec.view === undefined ? {} : { view: spec.view };
  return { list, places: { stage: files.stage, cwd: spec.cwd, ...view }, prefix, inner };
}

function readSecrets(): Readonly<Record<string, string>> | undefined {
  try {
    return JSON.parse(readFileSync(0, 'utf8')) as Record<string, string>;
  } catch {
    return undefined;
  }
}

// A stop is asked for through a file, then a signal to look at once; SIGTERM to the shim means the same.
let killTimer: NodeJS.Timeout | undefined;
const onStop = (): void => {
  const request = readJson<{ graceMs: number }>(files.stop) ?? { graceMs: 0 };
  isStopRequested = true;
  signalGroup('SIGTERM');
  clearTimeout(killTimer);
  killTimer = setTimeout(() => signalGroup('SIGKILL'), request.graceMs);
};
process.on('SIGUSR2', onStop);
process.on('SIGTERM', onStop);
if (readJson(files.stop) !== undefined) onStop();

if (spec.timeLimitMs !== undefined) {
  // Timers above 2^31 ms fire at once; a limit that long is no limit that a run of this process meets.
  setTimeout(
    () => {
      cause = 'time_limit';
      signalGroup('SIGTERM');
      setTimeout(() => signalGroup('SIGKILL'), 10_000);
    },
    Math.min(spec.timeLimitMs, 2 ** 31 - 1),
  );
}

/** Memory and process count, once a second: the fallback where no control group may be written. */
const watchdog = (): void => {
  const use = groupUse(child.pid ?? 0);
  if (use.residentBytes > spec.limits.memoryBytes) {
    cause = 'out_of_memory';
    signalGroup('SIGKILL');
  } else if (use.processes > spec.limits.pids) {
    cause = 'too_many_processes';
    signalGroup('SIGKILL');
  }
};
if (cgroup === undefined) setInterval(watchdog, 1_000);

setInterval(
  createLogKeeper({
    stdout: out,
    stderr: err,
    limitBytes: spec.logLimitBytes,
    clockFile: files.logClock,
  }),
  250,
);

function signalGroup(signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // the group is gone
  }
}

function groupUse(group: number): { residentBytes: number; processes: number } {
  let residentBytes = 0;
  let processes = 0;
  let names: string[] = [];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return { residentBytes, processes };
  }
  for (const name of names) {
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[2]) !== group && Number(fields[3]) !== group) continue;
      residentBytes += Number(fields[21]) * 4096;
      processes += 1;
    } catch {
      // ended while we looked
    }
  }
  return { residentBytes, processes };
}

function finish(
  code: number | null,
  signal: string | null,
  why: ExitRecord['cause'],
  message?: string,
): void {
  const refusedProcesses = cgroup?.refusedProcesses() ?? 0;
  const record: ExitRecord = {
    code,
    signal,
    isStopRequested,
    stderrTail: tailOf(err),
    clockJumpMs: Math.round(Date.now() - startedAtMs - (performance.now() - startedMs)),
    at: new Date().toISOString(),
    ...(refusedProcesses === 0 ? {} : { refusedProcesses }),
    ...(why === undefined ? {} : { cause: why }),
    ...(message === undefined ? {} : { message }),
  };
  writeJson(files.exit, record);
  closeSync(out);
  closeSync(err);
  leave(200);
}

/** A group can be removed once the kernel has buried what was inside. */
function leave(triesLeft: number): void {
  if (cgroup === undefined || cgroup.remove() || triesLeft === 0) process.exit(0);
  cgroup.killAll();
  Atomics.wait(pause, 0, 0, 10);
  leave(triesLeft - 1);
}

function tailOf(descriptor: number): string[] {
  // Masked before it is cut: half a secret at the edge is a secret too.
  const longest = Math.max(0, ...Object.values(secretEnv ?? {}).map((value) => Buffer.byteLength(value)));
  return masked(bytesBefore(descriptor, fstatSync(descriptor).size, 8_192 + longest))
    .toString('utf8')
    .slice(-8_192)
    .split('\n')
    .filter((line) => line !== '')
    .slice(-20);
}
