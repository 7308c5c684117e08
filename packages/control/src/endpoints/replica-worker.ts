import type { Row, WorkerSpec } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { NodeSpecRecord } from '../nodes/node-record.ts';
import { cudaNames, shareOfDevice, visibleDevices } from '../nodes/visible-devices.ts';
import type { ReplicaSpecRecord, ReplicaStatusRecord } from './endpoint-record.ts';

/** What every replica's worker is, whoever wrote its engine; the caller adds the command, its variables and `pids`. */
export async function replicaWorker(
  { places, store }: Deps,
  replica: Row,
  worker: {
    readonly workerId: string;
    readonly specFile: string;
    readonly command: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly pids: number;
    /** Whose files it reads. */
    readonly modelVersionIds: readonly string[];
  },
): Promise<WorkerSpec> {
  const { resources } = replica.spec as ReplicaSpecRecord;
  const { workerId, specFile, command, env, pids, modelVersionIds } = worker;
  const workerDir = places.workerDir(workerId);
  return {
    workerId,
    attemptId: workerId,
    jobId: replica.id,
    rank: 0,
    command,
    cwd: places.runDir(replica.id),
    env: {
      ...(await deviceVariables(store, replica)),
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
async function deviceVariables(store: Deps['store'], { spec, status }: Row): Promise<Record<string, string>> {
  const { gpu } = (spec as ReplicaSpecRecord).resources;
  const { node, devices = [] } = status as ReplicaStatusRecord;
  if (node === undefined || devices.length === 0) return {};
  const row = await store.read({ platform: true }, (tx) => tx.get('node', node));
  const known = (row?.spec as NodeSpecRecord | undefined)?.devices ?? [];
  return {
    ...visibleDevices(cudaNames(devices, known)),
    ...(Number.isInteger(gpu) ? {} : shareOfDevice(gpu)),
  };
}
