/** A worker's command as a process of this machine behind the walls that the machine lets us build. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { type WorkerCgroup, cgroupOf, createCgroup } from './cgroup.ts';
import { findProgram } from './find-program.ts';
import { isVariableName, underLaterNames } from './later-variables.ts';
import type { Beginning, CommandEnd } from './running-command.ts';
import { type Walls, sandboxCommand, unwrapExit } from './sandbox-command.ts';
import { type SpecRecord, isNamespaced, type WorkerFiles, workerMark } from './worker-files.ts';

export interface WalledInput {
  readonly spec: SpecRecord;
  readonly secretEnv: Readonly<Record<string, string>>;
  readonly files: WorkerFiles;
  /** Descriptors of its logs. */
  readonly stdout: number;
  readonly stderr: number;
}

/** The tools that build walls lie in sbin, which the PATH of whoever started the server may leave out. */
const wallsPath = `${process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}:/usr/local/sbin:/usr/sbin:/sbin`;

const notBegun = (message: string): Beginning => ({
  notBegun: { code: null, signal: null, cause: 'not_started', message },
});

export function beginWalled({ spec, secretEnv, files, stdout, stderr }: WalledInput): Beginning {
  const { isolation } = spec;
  const [wanted = '', ...rest] = spec.command;
  if (!existsSync(spec.cwd)) return notBegun(`its working directory ${spec.cwd} is not there`);
  const found = findProgram(wanted, spec.env['PATH'] ?? '', spec.cwd);
  const mounts = mountsOf(spec, files.stage);
  // A program that lies in a volume is there only once the volume is.
  const isMounted = mounts?.list.some(({ target }) => wanted.startsWith(`${target}/`)) ?? false;
  if (found.path === undefined && !isMounted)
    return notBegun(
      wanted === ''
        ? 'the command is empty'
        : found.code === 'ENOENT'
          ? `there is no program "${wanted}" ${wanted.includes('/') ? `seen from ${spec.cwd}` : 'on its PATH'}`
          : `"${wanted}" may not be executed`,
    );
  const { [workerMark]: _ours, ...variables } = { ...spec.env, ...secretEnv };
  const unusable = Object.keys(variables).find((name) => !isVariableName(name));
  if (unusable !== undefined) return notBegun(`"${unusable}" cannot be the name of a variable`);
  const cgroup = makeGroup(spec, files.dir);
  const hasNamespace = isNamespaced(spec);
  const [program = '', ...args] = sandboxCommand(
    {
      namespacePrefix: hasNamespace
        ? ((mounts && isolation.mounts?.namespacePrefix) ?? isolation.namespacePrefix)
        : [],
      procsFiles: cgroup?.procsFiles ?? [],
      pidFile: files.pid,
      variables: Object.keys(variables),
      ...(mounts === undefined ? {} : { mounts }),
    },
    [found.path ?? wanted, ...rest],
  );
  const inner = hasNamespace ? openSync(files.ended, 'w', 0o600) : undefined;
  const child = spawn(program, args, {
    cwd: spec.cwd,
    env: { PATH: wallsPath, ...underLaterNames(variables), [workerMark]: spec.workerId },
    detached: true,
    stdio: ['ignore', stdout, stderr, ...(inner === undefined ? [] : [inner])],
  });
  if (inner !== undefined) closeSync(inner);

  const signalGroup = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // the group is gone
    }
  };
  let cause: CommandEnd['cause'];
  if (cgroup === undefined)
    setInterval(() => {
      cause = excessOf(child.pid ?? 0, spec.limits) ?? cause;
      if (cause !== undefined) signalGroup('SIGKILL');
    }, 1_000);

  const ended = new Promise<CommandEnd>((resolve) => {
    const end = (how: CommandEnd): void => {
      const refusedProcesses = cgroup?.refusedProcesses() ?? 0;
      resolve({
        ...how,
        ...(cause === undefined ? {} : { cause }),
        ...(refusedProcesses === 0 ? {} : { refusedProcesses }),
      });
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      cause = 'not_started';
      end({
        code: null,
        signal: null,
        message: `${wanted} could not be started: ${error.code ?? error.message}`,
      });
    });
    child.on('exit', (rawCode, rawSignal) => {
      // Whatever the command left behind goes with it, in its group or out of it.
      signalGroup('SIGKILL');
      cgroup?.killAll();
      const { code, signal } = hasNamespace
        ? unwrapExit(rawCode, rawSignal, readFileSync(files.ended, 'utf8') !== '')
        : { code: rawCode, signal: rawSignal };
      if (code !== 0 && cgroup?.wasOutOfMemory() === true) cause ??= 'out_of_memory';
      end({ code, signal });
    });
  });
  return {
    pid: child.pid,
    signal: signalGroup,
    ended,
    bury: () => {
      if (cgroup === undefined || cgroup.remove()) return true;
      cgroup.killAll();
      return false;
    },
  };
}

/** Without its group a worker still runs: the watchdog stands in. */
function makeGroup(spec: SpecRecord, dir: string): WorkerCgroup | undefined {
  const parents = spec.isolation.cgroup;
  if (parents === undefined) return undefined;
  try {
    return createCgroup(parents, dir, spec.limits);
  } catch {
    cgroupOf(parents, dir).remove();
    return undefined;
  }
}

function mountsOf(spec: SpecRecord, stage: string): Walls['mounts'] {
  const list = spec.mounts ?? [];
  if (spec.isolation.mounts === undefined || (list.length === 0 && spec.view === undefined)) return undefined;
  const { barePrefix: prefix, inner } = spec.isolation.mounts;
  mkdirSync(stage, { recursive: true });
  const view = spec.view === undefined ? {} : { view: spec.view };
  return { list, places: { stage, cwd: spec.cwd, ...view }, prefix, inner };
}

/** Memory and process count, once a second: the fallback where no control group may be written. */
function excessOf(group: number, limits: SpecRecord['limits']): CommandEnd['cause'] {
  const use = groupUse(group);
  if (use.residentBytes > limits.memoryBytes) return 'out_of_memory';
  return use.processes > limits.pids ? 'too_many_processes' : undefined;
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
