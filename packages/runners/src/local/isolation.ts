/** Which walls this machine lets us build, found out by building them once. `gantry doctor` tells the answer. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CgroupParents, cgroupCandidates, createCgroup } from './cgroup.ts';
import { sandboxCommand } from './sandbox-command.ts';

export interface Isolation {
  readonly namespacePrefix: readonly string[];
  readonly cgroup?: CgroupParents;
  /** The kernel ends the worker when its shim dies, also while no server runs. */
  readonly endsWithShim: boolean;
  readonly notes: readonly string[];
}

/** Facts for people. */
export interface IsolationFacts {
  readonly limits: 'cgroup-v2' | 'cgroup-v1' | 'watchdog';
  readonly pidNamespace: boolean;
  readonly endsWithShim: boolean;
  readonly notes: readonly string[];
}

export function probeIsolation(): Isolation {
  if (process.platform !== 'linux') {
    return {
      namespacePrefix: [],
      endsWithShim: false,
      notes: ['control groups and PID namespaces are Linux features; a memory watchdog stands in'],
    };
  }
  const notes: string[] = [];
  const cgroup = probeCgroup();
  if (cgroup === undefined)
    notes.push(
      'no control group may be written: run as root, or as a systemd service with Delegate=yes; a memory watchdog stands in',
    );
  const prefixes = namespacePrefixes();
  const namespacePrefix = prefixes.find(isWorking) ?? [];
  if (namespacePrefix.length === 0)
    notes.push(
      'no PID namespace may be made: a daemon that leaves its process group is only caught by a control group',
    );
  return {
    namespacePrefix,
    endsWithShim: namespacePrefix[0] === 'setpriv',
    notes,
    ...(cgroup === undefined ? {} : { cgroup }),
  };
}

export function toIsolationFacts(isolation: Isolation): IsolationFacts {
  return {
    limits: isolation.cgroup === undefined ? 'watchdog' : `cgroup-v${isolation.cgroup.version}`,
    pidNamespace: isolation.namespacePrefix.length > 0,
    endsWithShim: isolation.endsWithShim,
    notes: isolation.notes,
  };
}

function namespacePrefixes(): readonly (readonly string[])[] {
  const flags = ['--pid', '--fork', '--kill-child', '--mount-proc', '--'];
  if (process.getuid?.() !== 0) return [['unshare', '--user', '--map-current-user', ...flags]];
  return [
    ['setpriv', '--pdeathsig', 'KILL', 'unshare', ...flags],
    ['unshare', ...flags],
  ];
}

/** The command must get a SIGTERM sent to the group, and `unshare` (old ones do not) must live through it. */
function isWorking(prefix: readonly string[]): boolean {
  const command = sandboxCommand({ namespacePrefix: prefix, procsFiles: [] }, [
    '/bin/sh',
    '-c',
    'trap "exit 7" TERM; kill -TERM 0; exit 8',
  ]);
  const { status } = spawnSync('setsid', ['--wait', ...command], { stdio: 'ignore', timeout: 5_000 });
  return status === 7;
}

function probeCgroup(): CgroupParents | undefined {
  let own = '';
  try {
    own = readFileSync('/proc/self/cgroup', 'utf8');
  } catch {
    return undefined;
  }
  return cgroupCandidates(own).find((parents) => {
    const dir = mkdtempSync(join(tmpdir(), 'gantry-probe-'));
    try {
      const group = createCgroup(parents, dir, { cpuMilli: 1000, memoryBytes: 256 * 1024 ** 2, pids: 16 });
      const [program = '', ...args] = sandboxCommand({ namespacePrefix: [], procsFiles: group.procsFiles }, [
        '/bin/sh',
        '-c',
        'exit 7',
      ]);
      const { status } = spawnSync(program, args, { stdio: 'ignore', timeout: 5_000 });
      return group.remove() && status === 7;
    } catch {
      return false;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}
