/**
 * A replica whose server is the user's: the model's files in a folder, a free port, and its command with both filled
 * in. It is a worker like any other: placed, limited, watched and drained by the same rules.
 */
import type { OwnServer } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { ReplicaSpecRecord } from './endpoint-record.ts';
import { prepareForeignServer } from './foreign-server.ts';
import { replicaWorker } from './replica-worker.ts';
import { workerImage } from '../jobs/worker-image.ts';
import type { EngineStart } from './start-engine.ts';

export async function startOwnServer(
  deps: Deps,
  replica: Row,
  server: OwnServer,
  workerId: string,
): Promise<EngineStart | undefined> {
  const spec = replica.spec as ReplicaSpecRecord;
  const { healthPath, network = 'shared' } = server;
  const prepared = await prepareForeignServer(deps, replica, {
    workerId,
    healthPath,
    // One from before the operator demanded it has it from its next start.
    network: deps.demandsOwnNetwork ? 'own' : network,
  });
  if (prepared === undefined) return undefined;
  const { modelPath, modelFile, port, doorSocket, specFile, times } = prepared;
  const image = await workerImage(deps, replica.tenantId, server);
  const { containerPort } = server;
  const values = {
    PORT: String(containerPort ?? port),
    MODEL_PATH: modelPath,
    MODEL_FILE: modelFile,
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
      ...(doorSocket === undefined
        ? {}
        : { network: { door: { socketPath: doorSocket, port: containerPort ?? port } } }),
      ...(image === undefined
        ? {}
        : {
            image:
              containerPort === undefined || doorSocket !== undefined
                ? image
                : { ...image, publish: { hostPort: port, containerPort } },
          }),
    }),
  );
  return times;
}

/** `$PORT` and the like; a name that is not one of ours stays as it is. */
export function fill(argument: string, values: Readonly<Record<string, string>>): string {
  return argument.replaceAll(
    /\$\{?(PORT|MODEL_PATH|MODEL_FILE|MODEL_NAME)\}?/g,
    (_whole, name: string) => values[name] ?? '',
  );
}
