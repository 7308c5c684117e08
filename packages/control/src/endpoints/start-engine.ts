/** A replica's engine: its files beside each other, its spec written, its process started or adopted. */
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { ModelVersionRecord } from '../models/model-record.ts';
import type { AdapterRecord, ReplicaSpecRecord } from './endpoint-record.ts';
import { replicaWorker } from './replica-worker.ts';
import { engineFiles, type Decoder, type EngineFiles } from './engine-files.ts';
import { startOwnServer } from './start-own-server.ts';
import { startShardedEngine } from './start-sharded-engine.ts';

export interface EngineStart {
  readonly fetchMs: number;
  readonly startedMs: number;
}

/** Undefined when no engine here serves the version's files. Starting a worker that runs already adopts it. */
export async function startEngine(
  deps: Deps,
  replica: Row,
  workerId: string,
): Promise<EngineStart | undefined> {
  const spec = replica.spec as ReplicaSpecRecord;
  if (spec.server !== undefined) return startOwnServer(deps, replica, spec.server, workerId);
  if (spec.engine !== undefined) return startShardedEngine(deps, replica, spec.engine, workerId);
  const { speculation } = spec;
  const draftId = speculation?.method === 'draft' ? speculation.modelVersionId : undefined;
  const files = await filesOf(deps, spec.modelVersionId, spec.decoder);
  const draftFiles = draftId === undefined ? undefined : await filesOf(deps, draftId);
  if (files === undefined || (draftId !== undefined && draftFiles?.engine !== 'llm')) return undefined;
  const fetchingMs = deps.clock.nowMs();
  const modelPath = await deps.places.materialiseModel(spec.modelVersionId, files.files, files.main);
  const draftPath =
    draftId === undefined || draftFiles === undefined
      ? undefined
      : await deps.places.materialiseModel(draftId, draftFiles.files, draftFiles.main);
  const adapters = await fetchAdapters(deps, spec.adapters ?? []);
  const startedMs = deps.clock.nowMs();
  const { specFile } = await deps.places.prepareAttempt({
    jobId: replica.id,
    attemptId: workerId,
    spec: {
      engine: files.engine,
      ...(files.decoder === undefined ? {} : { decoder: files.decoder }),
      modelPath,
      modelName: spec.model,
      slots: spec.slots,
      threads: Math.max(1, Math.floor(spec.resources.cpu)),
      memoryBytes: spec.resources.memory,
      ...(spec.contextTokens === undefined ? {} : { contextTokens: spec.contextTokens }),
      ...(spec.batching === undefined ? {} : { batching: spec.batching }),
      ...(spec.warmUp === undefined ? {} : { warmUp: spec.warmUp }),
      ...(adapters.length === 0 ? {} : { adapters }),
      ...(speculation === undefined
        ? {}
        : { speculation: { method: speculation.method, tokens: speculation.tokens, modelPath: draftPath } }),
    },
  });
  const command = deps.workerCommand('engine');
  const modelVersionIds = [
    spec.modelVersionId,
    ...(draftId === undefined ? [] : [draftId]),
    ...(spec.adapters ?? []).map((adapter) => adapter.modelVersionId),
  ];
  await deps.runner.start(
    await replicaWorker(deps, replica, { workerId, specFile, command, pids: 1024, modelVersionIds }),
  );
  return { fetchMs: startedMs - fetchingMs, startedMs };
}

async function fetchAdapters(deps: Deps, wanted: readonly AdapterRecord[]): Promise<readonly object[]> {
  const adapters: object[] = [];
  for (const { name, scale, modelVersionId } of wanted) {
    const files = await filesOf(deps, modelVersionId, 'llama.cpp');
    // Gone since the endpoint was made: the engine says which one it lacks.
    const path = files && (await deps.places.materialiseModel(modelVersionId, files.files, files.main));
    adapters.push({ name, path: path ?? name, ...(scale === undefined ? {} : { scale }) });
  }
  return adapters;
}

async function filesOf(
  { store }: Deps,
  modelVersionId: string,
  decoder?: Decoder,
): Promise<EngineFiles | undefined> {
  const version = await store.read({ platform: true }, (tx) => tx.get('model-version', modelVersionId));
  return version && engineFiles(version.spec as ModelVersionRecord, decoder);
}
