/**
 * A replica whose server is the user's: the model's files in a folder, a free port, and its command with both filled
 * in. It is a worker like any other: placed, limited, watched and drained by the same rules.
 */
import { dirname } from 'node:path';
import type { OwnServer } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { ModelVersionRecord } from '../models/model-record.ts';
import type { ReplicaSpecRecord } from './endpoint-record.ts';
import { replicaWorker } from './replica-worker.ts';
import type { EngineStart } from './start-engine.ts';

export async function startOwnServer(
  deps: Deps,
  replica: Row,
  server: OwnServer,
  workerId: string,
): Promise<EngineStart | undefined> {
  const spec = replica.spec as ReplicaSpecRecord;
  const row = await deps.store.read({ platform: true }, (tx) => tx.get('model-version', spec.modelVersionId));
  const version = row?.spec as ModelVersionRecord | undefined;
  const [first] = version?.files ?? [];
  if (version === undefined || first === undefined) return undefined;
  const fetchingMs = deps.clock.nowMs();
  const path = await deps.places.materialiseModel(spec.modelVersionId, version.files, first.path);
  const startedMs = deps.clock.nowMs();
  const { specFile } = await deps.places.prepareAttempt({ jobId: replica.id, attemptId: workerId, spec: {} });
  // One that a server before this one started keeps the port that it was given.
  const known = await deps.places.engineOrigin(workerId);
  const port = known !== undefined && 'port' in known ? known.port : await deps.places.freePort();
  await deps.places.announceEngine(workerId, { port, healthPath: server.healthPath });
  const values = {
    PORT: String(port),
    // One file is the model; several are a folder of it.
    MODEL_PATH: version.files.length === 1 ? path : folderOf(path, first.path),
    MODEL_NAME: server.modelName ?? spec.model,
  };
  const command = server.command.map((argument) => fill(argument, values));
  const modelVersionIds = [spec.modelVersionId];
  await deps.runner.start(
    await replicaWorker(deps, replica, {
      workerId,
      specFile,
      command,
      env: values,
      pids: 4096,
      modelVersionIds,
    }),
  );
  return { fetchMs: startedMs - fetchingMs, startedMs };
}

/** `$PORT` and the like; a name that is not one of ours stays as it is. */
export function fill(argument: string, values: Readonly<Record<string, string>>): string {
  return argument.replaceAll(
    /\$\{?(PORT|MODEL_PATH|MODEL_NAME)\}?/g,
    (_whole, name: string) => values[name] ?? '',
  );
}

function folderOf(path: string, firstPath: string): string {
  let folder = path;
  for (const _part of firstPath.split('/')) folder = dirname(folder);
  return folder;
}
