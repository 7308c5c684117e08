import type { Row, WorkerImage, WorkerNetwork, WorkerSpec } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { NodeSpecRecord } from '../nodes/node-record.ts';
import { cudaNames, shareOfDevice, visibleDevices } from '../nodes/visible-devices.ts';
import type { ReplicaSpecRecord } from './endpoint-record.ts';
import { placesOfReplica, type ReplicaPlace } from './replica-places.ts';

/** What every replica's worker is, whoever wrote its engine; the caller adds the command, its variables and `pids`. */
export async function replicaWorker(
  { places, store }: Deps,
  replica: Row,
  worker: {
    readonly workerId: string;
    /** Of a gang. */
    readonly rank?: number;
    /** Of this rank; left out: where the replica is. */
    readonly place?: ReplicaPlace;
    readonly specFile: string;
    readonly command: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly pids: number;
    readonly image?: WorkerImage;
    readonly network?: WorkerNetwork;
    /** Whose files it reads. */
    readonly modelVersionIds: readonly string[];
  },
): Promise<WorkerSpec> {
  const { resources } = replica.spec as ReplicaSpecRecord;
  const { workerId, rank = 0, specFile, command, env, pids, modelVersionIds } = worker;
  const place = worker.place ?? placesOfReplica(replica)[0];
  const workerDir = places.workerDir(workerId);
  return {
    workerId,
    attemptId: workerId,
    jobId: replica.id,
    rank,
    command,
    ...(worker.image === undefined ? {} : { image: worker.image }),
    ...(worker.network === undefined ? {} : { network: worker.network }),
    cwd: places.runDir(replica.id),
    env: {
      ...(await deviceVariables(store, resources, place)),
      ...env,
      GANTRY_SPEC_FILE: specFile,
      GANTRY_WORKER_DIR: workerDir,
      GANTRY_REPORT_FILE: `${workerDir}/report.jsonl`,
    },
    needs: [places.runDir(replica.id), ...modelVersionIds.map((id) => places.modelDir(id))],
    limits: { cpuMilli: Math.round(resources.cpu * 1000), memoryBytes: resources.memory, pids },
    logLimitBytes: 64 * 1024 ** 2,
  };
}

/** It sees the devices it was given and no others. */
async function deviceVariables(
  store: Deps['store'],
  { gpu }: ReplicaSpecRecord['resources'],
  place: ReplicaPlace | undefined,
): Promise<Record<string, string>> {
  if (place === undefined || place.devices.length === 0) return {};
  const { node, devices } = place;
  const row = await store.read({ platform: true }, (tx) => tx.get('node', node));
  const known = (row?.spec as NodeSpecRecord | undefined)?.devices ?? [];
  return {
    ...visibleDevices(cudaNames(devices, known)),
    ...(Number.isInteger(gpu) ? {} : shareOfDevice(gpu)),
  };
}
