/** Which walls this machine lets us build, found out by building them once. `gantry doctor` tells the answer. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CgroupParents, cgroupCandidates, createCgroup } from './cgroup.ts';
import { type NetworkWalls, isNetworking, networkWalls } from '../network/network-walls.ts';
import { sandboxCommand } from './sandbox-command.ts';

export interface Isolation {
  readonly namespacePrefix: readonly string[];
  readonly cgroup?: CgroupParents;
  /** The kernel ends the worker when its shim dies, also while no server runs. */
  readonly endsWithShim: boolean;
  /** How a worker gets a file system view of its own; left out where it cannot. */
  readonly mounts?: MountWalls;
  /** How a worker gets a network of its own; left out where it cannot, or could leave it. */
  readonly network?: NetworkWalls;
  readonly notes: readonly string[];
}

export interface MountWalls {
  /** Namespaces for processes and mounts, and for mounts alone. */
  readonly namespacePrefix: readonly string[];
  readonly barePrefix: readonly string[];
  readonly inner: readonly string[];
}

/** Facts for people. */
export interface IsolationFacts {
  readonly limits: 'cgroup-v2' | 'cgroup-v1' | 'watchdog';
  readonly pidNamespace: boolean;
  readonly endsWithShim: boolean;
  /** Volumes of jobs can be shown where they ask for them. */
  readonly mounts: boolean;
  /** Servers and jobs can have a network of their own. */
  readonly ownNetwork: boolean;
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
  const mounts = mountWalls(namespacePrefix);
  const canMount = namespacePrefix.length > 0 && isMounting(mounts);
  if (!canMount)
    notes.push(
      'no mount namespace may be made: jobs with volumes are refused, and every job can read the files of this server',
    );
  const network = networkWalls(process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  const canSeparate = canMount && isNetworking(network, mounts.namespacePrefix);
  if (!canSeparate)
    notes.push(
      'no network namespace may be made: what a job or a server of somebody listens at, every job on this machine reaches',
    );
  return {
    namespacePrefix,
    endsWithShim: namespacePrefix[0] === 'setpriv',
    notes,
    ...(canMount ? { mounts } : {}),
    ...(canSeparate ? { network } : {}),
    ...(cgroup === undefined ? {} : { cgroup }),
  };
}

export function toIsolationFacts(isolation: Isolation): IsolationFacts {
  return {
    limits: isolation.cgroup === undefined ? 'watchdog' : `cgroup-v${isolation.cgroup.version}`,
    pidNamespace: isolation.namespacePrefix.length > 0,
    endsWithShim: isolation.endsWithShim,
    mounts: isolation.mounts !== undefined,
    ownNetwork: isolation.network !== undefined,
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

/** Who is not root mounts as the root of a namespace, and is itself again before the command begins. */
function mountWalls(namespacePrefix: readonly string[]): MountWalls {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (uid === 0)
    return { namespacePrefix, barePrefix: ['unshare', '--mount', '--'], inner: withoutPowersOverMounts() };
  const asRoot = namespacePrefix.map((word) => (word === '--map-current-user' ? '--map-root-user' : word));
  return {
    namespacePrefix: asRoot,
    barePrefix: ['unshare', '--user', '--map-root-user', '--mount', '--'],
    inner: ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`, '--'],
  };
}

/**
 * What root may still do inside: the list that container runtimes keep, plus what RDMA and pinned threads ask for. Who
 * may mount or look into other processes could take the hidden folders' covers off.
 */
const keptPowers = [
  'audit_write chown dac_override fowner fsetid ipc_lock kill net_bind_service net_raw setfcap setgid setpcap setuid',
  'sys_chroot sys_nice',
];

const withoutPowersOverMounts = (): readonly string[] => [
  'setpriv',
  `--bounding-set=${['-all', ...keptPowers.flatMap((line) => line.split(' ')).map((power) => `+${power}`)].join(',')}`,
  '--',
];

/** Long: a machine that has much to do must not lose its walls for it. */
const probeTimeoutMs = 30_000;

/** A file must be seen at another place, must not be writable there, and a hidden one must stay hidden. */
function isMounting(walls: MountWalls): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-probe-'));
  try {
    const at = (name: string): string => join(dir, name);
    for (const name of ['source', 'target', 'stage', 'held', 'hidden']) mkdirSync(at(name));
    writeFileSync(at('source/seen'), '');
    writeFileSync(at('hidden/key'), '');
    return [walls.namespacePrefix, []].every((namespacePrefix) => {
      const list = [{ source: at('source'), target: at('target'), readOnly: true }];
      const view = { at: at('held'), roots: [{ path: at('hidden'), shown: [] }] };
      const places = { stage: at('stage'), cwd: dir, view };
      const mounts = { list, places, prefix: walls.barePrefix, inner: walls.inner };
      const [program = '', ...args] = sandboxCommand({ namespacePrefix, procsFiles: [], mounts }, [
        '/bin/sh',
        '-c',
        'test -e target/seen && ! touch target/new && ! { umount hidden; test -e hidden/key; } && exit 7',
      ]);
      return spawnSync(program, args, { stdio: 'ignore', timeout: probeTimeoutMs }).status === 7;
    });
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The command must get a SIGTERM sent to the group, and `unshare` (old ones do not) must live through it. */
function isWorking(prefix: readonly string[]): boolean {
  const command = sandboxCommand({ namespacePrefix: prefix, procsFiles: [] }, [
    '/bin/sh',
    '-c',
    'trap "exit 7" TERM; kill -TERM 0; exit 8',
  ]);
  const { status } = spawnSync('setsid', ['--wait', ...command], {
    stdio: 'ignore',
    timeout: probeTimeoutMs,
  });
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
      const { status } = spawnSync(program, args, { stdio: 'ignore', timeout: probeTimeoutMs });
      return group.remove() && status === 7;
    } catch {
      return false;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}
