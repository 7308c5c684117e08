/**
 * One small process a worker that outlives the server: starts the command in its own process group with its
 * output going straight to files, enforces the limits, and writes down how it ended. It trusts nobody to be
 * there: the server may be killed and come back.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { WorkerSpec } from '@gantry/ports';
import { type ExitRecord, claim, readJson, startTimeOf, workerFiles, writeJson } from './worker-files.ts';

const specFile = process.argv[2] ?? '';
const files = workerFiles(dirname(dirname(specFile)), dirname(specFile).split('/').at(-1) ?? '');
const spec = readJson<WorkerSpec>(files.spec);
// A server that came up meanwhile may have given this worker up; then it must not run.
if (spec === undefined || !claim(files.begin)) process.exit(64);

const out = openSync(files.stdout, 'a+', 0o600);
const err = openSync(files.stderr, 'a+', 0o600);
const [program = '', ...args] = spec.command;
let cause: ExitRecord['cause'];
let isStopRequested = false;

const child = spawn(program, args, {
  cwd: spec.cwd,
  env: { ...spec.env },
  detached: true,
  stdio: ['ignore', out, err],
});
child.on('error', (error: NodeJS.ErrnoException) => {
  finish(null, null, 'not_started', `${program} could not be started: ${error.code ?? error.message}`);
});
if (child.pid !== undefined) {
  writeJson(files.shim, {
    shimPid: process.pid,
    shimStart: startTimeOf(process.pid),
    childPid: child.pid,
    childStart: startTimeOf(child.pid),
  });
}
child.on('exit', (code, signal) => {
  // Whatever the command left behind in its group goes with it.
  signalGroup('SIGKILL');
  finish(code, signal, cause);
});

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

/** Memory, process count and log size, once a second: the fallback where no cgroup may be written. */
setInterval(() => {
  const use = groupUse(child.pid ?? 0);
  if (use.residentBytes > spec.limits.memoryBytes) {
    cause = 'out_of_memory';
    signalGroup('SIGKILL');
  } else if (use.processes > spec.limits.pids) {
    cause = 'too_many_processes';
    signalGroup('SIGKILL');
  }
  for (const descriptor of [out, err]) {
    if (fstatSync(descriptor).size <= spec.logLimitBytes) continue;
    ftruncateSync(descriptor, 0);
    writeSync(
      descriptor,
      `[gantry] the log passed ${spec.logLimitBytes} bytes; what came before was dropped\n`,
    );
  }
}, 1_000);

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
  const record: ExitRecord = {
    code,
    signal,
    isStopRequested,
    stderrTail: tailOf(err),
    at: new Date().toISOString(),
    ...(why === undefined ? {} : { cause: why }),
    ...(message === undefined ? {} : { message }),
  };
  writeJson(files.exit, record);
  closeSync(out);
  closeSync(err);
  process.exit(0);
}

function tailOf(descriptor: number): string[] {
  const { size } = fstatSync(descriptor);
  const buffer = Buffer.alloc(Math.min(size, 8_192));
  readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
  return buffer
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .slice(-20);
}
