/**
 * The environment that lets any framework find its peers: torchrun's static variables, elastic `PET_*`,
 * `TF_CONFIG`, the visible devices, and Gantry's own files (docs/runners.md).
 */
import { shareOfDevice, visibleDevices } from '../nodes/visible-devices.ts';
import { type RankGroup, groupOfRank } from './rank-groups.ts';
import { isTorch, torchEnvironment, visibleGpus } from './torch-environment.ts';

export interface RankPlace {
  readonly rank: number;
  readonly nodeIndex: number;
  readonly localRank: number;
  readonly localWorldSize: number;
  /** As CUDA names them: accelerators by their index on the node, slices by their id; empty where devices are CPUs. */
  readonly gpuIndices: readonly (number | string)[];
  readonly address: string;
  /** As the node's inventory saw it; undefined where ranks meet on one machine anyway. */
  readonly network?: NetworkFacts | undefined;
}

export interface NetworkFacts {
  /** The interface that carries the node's address. */
  readonly interface?: string | undefined;
  /** InfiniBand or RoCE devices with an active port. */
  readonly rdmaDevices: readonly string[];
  readonly isRoce: boolean;
}

export interface EnvironmentInput {
  readonly place: RankPlace;
  readonly places: readonly RankPlace[];
  readonly masterPort: number;
  readonly framework: 'none' | 'torch' | 'tensorflow' | 'jax';
  readonly command?: string | readonly string[] | undefined;
  readonly job: { readonly name: string; readonly attemptId: string; readonly epoch: number };
  readonly files: {
    readonly workerDir: string;
    readonly runDir: string;
    readonly reportFile: string;
    readonly specFile: string;
    readonly rendezvousDir: string;
    readonly rendezvousToken: string;
    readonly resumeFrom: string | undefined;
  };
  readonly user: Readonly<Record<string, string>>;
  readonly cpuMilli: number;
  /** Where ranks are of several kinds. */
  readonly groups?: readonly Group[];
  /** Of an elastic job: so many go on when others are lost. */
  readonly minRanks?: number | undefined;
  /** How often this rank was lost and begun again within the attempt. */
  readonly comesBack?: number;
  /** The part of one device that it asked for; undefined where it has whole ones or none. */
  readonly gpuShare?: number | undefined;
}

type Group = Pick<RankGroup, 'name' | 'count' | 'firstRank'>;

export function workerEnvironment(input: EnvironmentInput): Record<string, string> {
  const { place, places, files, job } = input;
  const master = places[0]?.address ?? '127.0.0.1';
  const threads = String(Math.max(1, Math.floor(input.cpuMilli / 1_000)));
  return {
    OMP_NUM_THREADS: threads,
    ...(isTorch(input) ? torchEnvironment(input) : {}),
    ...(input.gpuShare === undefined ? {} : { XLA_PYTHON_CLIENT_MEM_FRACTION: String(input.gpuShare) }),
    ...input.user,
    RANK: String(place.rank),
    LOCAL_RANK: String(place.localRank),
    WORLD_SIZE: String(places.length),
    LOCAL_WORLD_SIZE: String(place.localWorldSize),
    NODE_RANK: String(place.nodeIndex),
    GROUP_RANK: String(place.nodeIndex),
    MASTER_ADDR: master,
    MASTER_PORT: String(input.masterPort),
    ...(place.gpuIndices.length > 0 ? visibleDevices(visibleGpus(input)) : {}),
    ...(input.gpuShare === undefined ? {} : shareOfDevice(input.gpuShare)),
    ...(input.groups === undefined ? {} : roleOf(place.rank, input.groups)),
    ...(input.framework === 'tensorflow' ? { TF_CONFIG: tensorflowConfig(input) } : {}),
    GANTRY_JOB: job.name,
    GANTRY_ATTEMPT: job.attemptId,
    GANTRY_EPOCH: String(job.epoch),
    GANTRY_WORKER_DIR: files.workerDir,
    GANTRY_RUN_DIR: files.runDir,
    GANTRY_REPORT_FILE: files.reportFile,
    GANTRY_SPEC_FILE: files.specFile,
    ...rendezvousOf(input),
    ...(files.resumeFrom === undefined ? {} : { GANTRY_RESUME_FROM: files.resumeFrom }),
  };
}

/** A folder where all ranks share a machine; else rank 0's address, where they show a token that only they have. */
function rendezvousOf({ places, masterPort, files }: EnvironmentInput): Record<string, string> {
  const addresses = new Set(places.map(({ address }) => address));
  const [first = ''] = addresses;
  if (addresses.size <= 1) return { GANTRY_RENDEZVOUS: files.rendezvousDir };
  const host = first.includes(':') ? `[${first}]` : first;
  return {
    GANTRY_RENDEZVOUS: `tcp://${host}:${masterPort}`,
    GANTRY_RENDEZVOUS_TOKEN: files.rendezvousToken,
  };
}

/** What torchrun calls the kind of a rank. */
function roleOf(rank: number, groups: readonly Group[]): Record<string, string> {
  const { name, count, firstRank } = groupOfRank(groups, rank);
  return {
    GANTRY_GROUP: name,
    ROLE_NAME: name,
    ROLE_RANK: String(rank - firstRank),
    ROLE_WORLD_SIZE: String(count),
  };
}

/** Groups are TensorFlow's task types: worker, ps, chief, evaluator. */
function tensorflowConfig({ places, place, masterPort, groups }: EnvironmentInput): string {
  const kinds = groups ?? [{ name: 'worker', count: places.length, firstRank: 0 }];
  const cluster = Object.fromEntries(
    kinds.map(({ name, count, firstRank }) => [
      name,
      places
        .filter(({ rank }) => rank >= firstRank && rank < firstRank + count)
        .map(({ address, rank }) => `${address}:${masterPort + rank}`),
    ]),
  );
  const { name, firstRank } = groupOfRank(kinds, place.rank);
  return JSON.stringify({ cluster, task: { type: name, index: place.rank - firstRank } });
}
