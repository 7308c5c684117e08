/**
 * One small process a worker that outlives the server: starts the command in its own process group or container with
 * its output going straight to files, enforces the limits, and writes down how it ended. It trusts nobody to be
 * there: the server may be killed and come back.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { bytesBefore, createLogKeeper } from './keep-logs.ts';
import { createMask } from './mask.ts';
import type { PortDoor } from '../network/port-door.ts';
import type { Beginning, CommandEnd, RunningCommand } from './running-command.ts';
import { beginWalled } from './walled-command.ts';
import {
  type ExitRecord,
  type SpecRecord,
  type WorkerSecrets,
  claim,
  readJson,
  startTimeOf,
  workerFiles,
  writeJson,
} from './worker-files.ts';

const pause = new Int32Array(new SharedArrayBuffer(4));
const specFile = process.argv[2] ?? '';
const files = workerFiles(dirname(dirname(specFile)), dirname(specFile).split('/').at(-1) ?? '');
const spec = readJson<SpecRecord>(files.spec);
// A server that came up meanwhile may have given this worker up; then it must not run.
if (spec === undefined) process.exit(64);
/** What may not lie on a disk comes through standard input; half of it is none of it. */
const secrets = spec.hasSecrets ? readSecrets() : { env: {} };
if (secrets === undefined || !claim(files.begin)) process.exit(64);
const hidden = [...Object.values(secrets.env), ...passwordOf(secrets)];
const masked = createMask(hidden);

const startedMs = performance.now();
const startedAtMs = Date.now();
const out = openSync(files.stdout, 'a+', 0o600);
const err = openSync(files.stderr, 'a+', 0o600);
let isStopRequested = false;
let isTimeOver = false;
let command: RunningCommand | undefined;

// A stop is asked for through a file, then a signal to look at once; SIGTERM to the shim means the same.
const givenUp = new AbortController();
let killTimer: NodeJS.Timeout | undefined;
const onStop = (): void => {
  const request = readJson<{ graceMs: number }>(files.stop) ?? { graceMs: 0 };
  isStopRequested = true;
  givenUp.abort();
  command?.signal('SIGTERM');
  clearTimeout(killTimer);
  if (command !== undefined) killTimer = setTimeout(() => command?.signal('SIGKILL'), request.graceMs);
};
process.on('SIGUSR2', onStop);
process.on('SIGTERM', onStop);

setInterval(
  createLogKeeper({
    stdout: out,
    stderr: err,
    limitBytes: spec.logLimitBytes,
    clockFile: files.logClock,
  }),
  250,
);

const about = { spec, files, stdout: out, stderr: err };
let door: PortDoor | undefined;
if (spec.container === undefined) {
  const closed = await openDoor(spec.network?.door);
  follow(closed ?? beginWalled({ ...about, secretEnv: secrets.env }));
} else {
  // Nobody knows whom to signal before it has begun, which a large image may put off for minutes.
  const early = setInterval(() => readJson(files.stop) !== undefined && onStop(), 250);
  // Most commands are none: what they need not load begins them sooner.
  const { beginContainer } = await import('../containers/contained-command.ts');
  const begun = await beginContainer({
    ...about,
    container: spec.container,
    secrets,
    signal: givenUp.signal,
  });
  clearInterval(early);
  follow(begun);
}

/** Answers why it cannot be opened, should that be so. */
async function openDoor(wanted: NonNullable<SpecRecord['network']>['door']): Promise<Beginning | undefined> {
  if (wanted === undefined) return undefined;
  const { openPortDoor } = await import('../network/port-door.ts');
  try {
    door = await openPortDoor(wanted.socketPath, wanted.port);
    return undefined;
  } catch (error) {
    return {
      notBegun: { code: 75, signal: null, message: `its door could not be opened: ${String(error)}` },
    };
  }
}

function follow(begun: Beginning): void {
  if ('notBegun' in begun) {
    finish(begun.notBegun);
    return;
  }
  command = begun;
  if (begun.pid !== undefined) {
    writeJson(files.shim, {
      shimPid: process.pid,
      shimStart: startTimeOf(process.pid),
      childPid: begun.pid,
      childStart: startTimeOf(begun.pid),
    });
  }
  void begun.ended.then(finish);
  if (isStopRequested || readJson(files.stop) !== undefined) onStop();
  const { timeLimitMs } = spec as SpecRecord;
  if (timeLimitMs === undefined) return;
  // Timers above 2^31 ms fire at once; a limit that long is no limit that a run of this process meets.
  setTimeout(
    () => {
      isTimeOver = true;
      begun.signal('SIGTERM');
      setTimeout(() => begun.signal('SIGKILL'), 10_000);
    },
    Math.min(timeLimitMs, 2 ** 31 - 1),
  );
}

function readSecrets(): WorkerSecrets | undefined {
  try {
    return JSON.parse(readFileSync(0, 'utf8')) as WorkerSecrets;
  } catch {
    return undefined;
  }
}

function passwordOf({ imageCredentials = '' }: WorkerSecrets): readonly string[] {
  const password = imageCredentials.slice(imageCredentials.indexOf(':') + 1);
  return password === '' ? [] : [password];
}

function finish({ code, signal, cause, message, refusedProcesses }: CommandEnd): void {
  const why = isTimeOver ? 'time_limit' : cause;
  const record: ExitRecord = {
    code,
    signal,
    isStopRequested,
    stderrTail: tailOf(err),
    clockJumpMs: Math.round(Date.now() - startedAtMs - (performance.now() - startedMs)),
    at: new Date().toISOString(),
    ...(refusedProcesses === undefined ? {} : { refusedProcesses }),
    ...(why === undefined ? {} : { cause: why }),
    ...(message === undefined ? {} : { message }),
  };
  writeJson(files.exit, record);
  closeSync(out);
  closeSync(err);
  if (door === undefined) leave(200);
  // What the command answered last is still on its way through.
  else void door.close(2_000).then(() => leave(200));
}

/** A group can be removed once the kernel has buried what was inside. */
function leave(triesLeft: number): void {
  if (command === undefined || command.bury() || triesLeft === 0) process.exit(0);
  Atomics.wait(pause, 0, 0, 10);
  leave(triesLeft - 1);
}

function tailOf(descriptor: number): string[] {
  // Masked before it is cut: half a secret at the edge is a secret too.
  const longest = Math.max(0, ...hidden.map((value) => Buffer.byteLength(value)));
  return masked(bytesBefore(descriptor, fstatSync(descriptor).size, 8_192 + longest))
    .toString('utf8')
    .slice(-8_192)
    .split('\n')
    .filter((line) => line !== '')
    .slice(-20);
}
