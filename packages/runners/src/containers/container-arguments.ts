/**
 * A worker → the container that is made for it, as words for the tool. Pure. What a process of ours sees by sharing
 * the machine's files, a container sees by binding the same few folders at the same paths, so every path that its
 * environment names is true inside.
 */
import type { WorkerImage, WorkerMount, WorkerSpec } from '@gantry/ports';
import type { ContainerTool, ContainerToolKind } from './container-tool.ts';

export interface ContainerPlan {
  /** The worker's id: a container that is left behind tells whose it was. */
  readonly name: string;
  /** Of all containers of one data directory. */
  readonly home: string;
  readonly imageId: string;
  readonly publish?: WorkerImage['publish'];
  /** A network with nothing in it but a loopback. */
  readonly isAlone?: boolean;
  readonly command: readonly string[];
  readonly cwd: string;
  /** Holds every variable: nothing of them stands on a command line. */
  readonly envFile: string;
  /** Bound at their own paths, to be written to. */
  readonly shown: readonly string[];
  readonly mounts: readonly WorkerMount[];
  /** Places inside of mounts that look empty to it. */
  readonly covers: readonly string[];
  readonly limits: WorkerSpec['limits'];
  /** As `CUDA_VISIBLE_DEVICES` names them on the machine; empty without GPUs. */
  readonly gpus: readonly string[];
  /** Ranks that share memory with others of their gang through /dev/shm. */
  readonly hasGpuPeers: boolean;
  /** Files that it writes belong to this user: the server's. */
  readonly user: { readonly uid: number; readonly gid: number };
}

interface Dialect {
  readonly gpus: (names: readonly string[]) => readonly string[];
  /** It keeps no log of its own, and folders keep their labels where SELinux watches. */
  readonly extra: readonly string[];
  /** An empty file system; podman would fill it with what lies beneath. */
  readonly empty: readonly string[];
  /** Signals are ours to send. */
  readonly attach: readonly string[];
}

const byRequest = (names: readonly string[]): readonly string[] => [`--gpus="device=${names.join(',')}"`];
/** NVIDIA's container toolkit describes its devices so (Container Device Interface). */
const byCdi = (names: readonly string[]): readonly string[] =>
  names.map((name) => `--device=nvidia.com/gpu=${name}`);

const dialects: Readonly<Record<ContainerToolKind, Dialect>> = {
  podman: {
    gpus: byCdi,
    extra: ['--log-driver=none', '--security-opt=label=disable'],
    empty: ['type=tmpfs', 'notmpcopyup'],
    attach: ['--attach', '--sig-proxy=false'],
  },
  docker: {
    gpus: byRequest,
    extra: ['--log-driver=none', '--security-opt=label=disable'],
    empty: ['type=tmpfs'],
    attach: ['--attach', '--sig-proxy=false'],
  },
  // It reads what an attached container prints from its log.
  nerdctl: { gpus: byRequest, extra: [], empty: ['type=tmpfs'], attach: ['--attach'] },
};

export const workerLabel = 'gantry.worker';
export const homeLabel = 'gantry.home';

export function createArguments(tool: ContainerTool, plan: ContainerPlan): readonly string[] {
  const dialect = dialects[tool.kind];
  const { uid, gid } = plan.user;
  const labels = { [workerLabel]: plan.name, [homeLabel]: plan.home };
  const shown = plan.shown.map((path) => ({ source: path, target: path, readOnly: false }));
  return [
    'create',
    `--name=${plan.name}`,
    ...Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`),
    networkArgument(plan),
    `--user=${uid}:${gid}`,
    '--security-opt=no-new-privileges',
    ...dialect.extra,
    ...(tool.hasInit ? ['--init'] : []),
    ...(tool.hasLimits ? limitArguments(plan.limits) : []),
    plan.hasGpuPeers ? '--ipc=host' : `--shm-size=${sharedMemoryBytes(plan.limits)}`,
    ...(plan.gpus.length === 0 ? [] : dialect.gpus(plan.gpus)),
    ...[...shown, ...plan.mounts].map(mountArgument),
    ...plan.covers.map((target) => csvArgument([...dialect.empty, `target=${target}`])),
    `--workdir=${plan.cwd}`,
    `--env-file=${plan.envFile}`,
    plan.imageId,
    ...plan.command,
  ];
}

function networkArgument({ isAlone = false, publish }: ContainerPlan): string {
  if (isAlone) return '--network=none';
  return publish === undefined
    ? '--network=host'
    : `--publish=127.0.0.1:${publish.hostPort}:${publish.containerPort}`;
}

/** Half of its memory, as a machine's /dev/shm is; it counts as memory of the container. */
const sharedMemoryBytes = ({ memoryBytes }: WorkerSpec['limits']): number =>
  Math.max(64 * 1024 ** 2, Math.floor(memoryBytes / 2));

/** Memory and processes are hard limits, swap none; CPU is a weight, as for processes. */
function limitArguments({ memoryBytes, pids, cpuMilli }: WorkerSpec['limits']): readonly string[] {
  // 1024 shares stand for one core (Docker's unit); 2 and 262144 are the kernel's bounds.
  const shares = Math.round(Math.min(262_144, Math.max(2, cpuMilli * 1.024)));
  return [
    `--memory=${memoryBytes}`,
    `--memory-swap=${memoryBytes}`,
    `--pids-limit=${pids}`,
    `--cpu-shares=${shares}`,
  ];
}

/** The value is a line of CSV (RFC 4180), so a comma in a path is quoted. */
function mountArgument({ source, target, readOnly }: WorkerMount): string {
  const fields = ['type=bind', `source=${source}`, `target=${target}`, ...(readOnly ? ['readonly'] : [])];
  return csvArgument(fields);
}

const csvArgument = (fields: readonly string[]): string => `--mount=${fields.map(csvField).join(',')}`;

const csvField = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export const startArguments = ({ kind }: ContainerTool, name: string): readonly string[] => [
  'start',
  ...dialects[kind].attach,
  name,
];

/** Inside, the devices that a container was given are the only ones and are counted from 0; slices keep their ids. */
export function visibleInside(gpus: readonly string[]): Readonly<Record<string, string>> {
  if (gpus.length === 0) return {};
  return { CUDA_VISIBLE_DEVICES: gpus.map((name, index) => (/^\d+$/.test(name) ? index : name)).join(',') };
}

/**
 * The lines of an env file, or the name of a variable that none can hold: the tools read `NAME=VALUE` to the end of
 * the line, without any quoting.
 */
export function envFileText(
  env: Readonly<Record<string, string>>,
): { readonly text: string } | { readonly unfit: string } {
  const unfit = Object.keys(env).find((name) => /[\n\r\0]/.test(`${name}${env[name]}`));
  if (unfit !== undefined) return { unfit };
  return {
    text: Object.entries(env)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  };
}
