/**
 * What PyTorch's own programs look for beside RANK and WORLD_SIZE. To torchrun every replica is one node (`PET_*`):
 * it starts a process a device there, one on a CPU, so `torchrun train.py` needs no flags. A script started without
 * a launcher picks the device LOCAL_RANK among those it sees; ranks of a node with one device each therefore see
 * each other's.
 */
import type { EnvironmentInput, RankPlace } from './worker-environment.ts';

export function isTorch({ framework, command }: EnvironmentInput): boolean {
  return framework === 'torch' || (framework === 'none' && hasLauncher(command));
}

export function torchEnvironment(input: EnvironmentInput): Record<string, string> {
  const { place, places, masterPort, files, job, minRanks = places.length, comesBack = 0 } = input;
  const master = places[0]?.address ?? '127.0.0.1';
  const isElastic = takesMembersBack(input.user, input.command);
  return {
    PET_NNODES: isElastic ? `${minRanks}:${places.length}` : String(places.length),
    ...(isElastic ? elasticEnvironment(place) : {}),
    PET_NODE_RANK: String(place.rank),
    PET_NPROC_PER_NODE: String(Math.max(1, place.gpuIndices.length)),
    PET_MASTER_ADDR: master,
    PET_MASTER_PORT: String(masterPort),
    PET_RDZV_BACKEND: 'static',
    PET_RDZV_ENDPOINT: `${master}:${masterPort}`,
    PET_RDZV_ID: job.attemptId,
    // c10d tells nodes apart by address and process id; in process namespaces of one machine the ids are the same.
    ...(place.address === '127.0.0.1' && place.localRank < 254
      ? { PET_LOCAL_ADDR: `127.0.${comesBack}.${place.localRank + 1}` }
      : {}),
    ...(place.gpuIndices.length === 0 ? { ACCELERATE_USE_CPU: 'true' } : {}),
    // Where the Trainer's `report_to: tensorboard | mlflow` writes without being told.
    TENSORBOARD_LOGGING_DIR: `${files.runDir}/tensorboard`,
    MLFLOW_TRACKING_URI: `file://${files.runDir}/mlruns`,
    MLFLOW_EXPERIMENT_NAME: job.name,
    ...networkEnvironment(place.network),
  };
}

function elasticEnvironment({ rank }: RankPlace): Record<string, string> {
  return {
    // A member that is gone ends the workers of the others, which torchrun counts as a failure of theirs.
    PET_MAX_RESTARTS: String(membersLostLimit),
    // Else whoever of one machine comes first holds the meeting point, and all end with it.
    PET_RDZV_CONF: `is_host=${rank === 0 ? 1 : 0}`,
    // With a shared store (torch 2.4 on) those who were there tell a newcomer no address, and both wait in vain.
    TORCH_DISABLE_SHARE_RDZV_TCP_STORE: '1',
  };
}

/** Devices this rank may see, in the order in which LOCAL_RANK counts them. */
export function visibleGpus(input: EnvironmentInput): RankPlace['gpuIndices'] {
  const { place, places, command } = input;
  if (!isTorch(input) || hasLauncher(command)) return place.gpuIndices;
  const here = places
    .filter(({ nodeIndex }) => nodeIndex === place.nodeIndex)
    .sort((one, other) => one.localRank - other.localRank);
  return here.every(({ gpuIndices }) => gpuIndices.length === 1)
    ? here.flatMap(({ gpuIndices }) => gpuIndices)
    : place.gpuIndices;
}

/** Members of one attempt that may be lost and come back before the attempt is begun anew. */
export const membersLostLimit = 10;

/** torchrun with a c10d rendezvous: who comes late or again is taken in, and all go on from their checkpoint. */
export const takesMembersBack = (
  user: Readonly<Record<string, string>>,
  command: string | readonly string[] | undefined,
): boolean => user['PET_RDZV_BACKEND'] === 'c10d' && hasLauncher(command);

/** A launcher starts its own processes and counts LOCAL_RANK within the replica. */
function hasLauncher(command: string | readonly string[] | undefined): boolean {
  const text = typeof command === 'string' ? command : (command ?? []).join(' ');
  return /(?:^|[\s/;&|])(?:torchrun|accelerate\s+launch|deepspeed|torch\.distributed\.(?:run|launch))(?:\s|$)/.test(
    text,
  );
}

/** NCCL and gloo on the interface that carries the node's address; RDMA only where the node has it (RoCE: GID 3 is v2/IPv4). */
export function networkEnvironment(network: RankPlace['network']): Record<string, string> {
  if (network === undefined) return {};
  const { interface: name, rdmaDevices, isRoce } = network;
  return {
    ...(name === undefined ? {} : { NCCL_SOCKET_IFNAME: name, GLOO_SOCKET_IFNAME: name }),
    ...(rdmaDevices.length === 0
      ? { NCCL_IB_DISABLE: '1' }
      : { NCCL_IB_HCA: rdmaDevices.join(','), ...(isRoce ? { NCCL_IB_GID_INDEX: '3' } : {}) }),
  };
}
