/** What every server that is not our own engine needs before it starts: the model's files, a port, its spec's folder. */
import { dirname, join } from 'node:path';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { ModelVersionRecord } from '../models/model-record.ts';
import type { ReplicaSpecRecord } from './endpoint-record.ts';
import { fileToLoad } from './file-to-load.ts';
import type { EngineStart } from './start-engine.ts';

export interface ForeignServer {
  /** One file is the model; several are a folder of it. */
  readonly modelPath: string;
  /** The file to load, for servers that take no folder; the folder where no single file is the model. */
  readonly modelFile: string;
  readonly port: number;
  /** Of a server with a network of its own: where that port is entered. */
  readonly doorSocket?: string;
  readonly specFile: string;
  readonly times: EngineStart;
}

/** Undefined when its version is gone. */
export async function prepareForeignServer(
  deps: Deps,
  replica: Row,
  {
    workerId,
    healthPath,
    network,
  }: { readonly workerId: string; readonly healthPath: string; readonly network: 'own' | 'shared' },
): Promise<ForeignServer | undefined> {
  const spec = replica.spec as ReplicaSpecRecord;
  const row = await deps.store.read({ platform: true }, (tx) => tx.get('model-version', spec.modelVersionId));
  const version = row?.spec as ModelVersionRecord | undefined;
  const [first] = version?.files ?? [];
  if (version === undefined || first === undefined) return undefined;
  const fetchingMs = deps.clock.nowMs();
  const path = await deps.places.materialiseModel(spec.modelVersionId, version.files, first.path);
  const startedMs = deps.clock.nowMs();
  const { specFile } = await deps.places.prepareAttempt({ jobId: replica.id, attemptId: workerId, spec: {} });
  // One that a server before this one started stays where it is, in whichever network.
  const known = await deps.places.engineOrigin(workerId);
  const port = known !== undefined && 'port' in known ? known.port : await deps.places.freePort();
  const isOwn = known === undefined ? network === 'own' : 'socketPath' in known;
  const door = isOwn ? { doorSocket: deps.places.doorSocket(workerId) } : {};
  const place = isOwn ? { socketPath: deps.places.doorSocket(workerId) } : { port };
  await deps.places.announceEngine(workerId, { ...place, healthPath });
  const folder = folderOf(path, first.path);
  const modelPath = version.files.length === 1 ? path : folder;
  const file = fileToLoad(version.files.map((each) => each.path));
  return {
    modelPath,
    modelFile: file === undefined ? modelPath : join(folder, file),
    port,
    ...door,
    specFile,
    times: { fetchMs: startedMs - fetchingMs, startedMs },
  };
}

function folderOf(path: string, firstPath: string): string {
  let folder = path;
  for (const _part of firstPath.split('/')) folder = dirname(folder);
  return folder;
}
