/** Files → blobs → a new version of a model. Bytes are stored before the transaction that names them. */
import { GantryError } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { ModelStatusRecord, ModelVersionRecord, ModelVersionStatusRecord } from './model-record.ts';

export interface RegisterInput {
  readonly tenantId: string;
  readonly user: string;
  readonly modelName: string;
  readonly files: ModelVersionRecord['files'];
  readonly formats: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly lineage: Readonly<Record<string, unknown>>;
  readonly jobId?: string;
  readonly requestId?: string;
}

/** `of`: the job that named the path. */
export async function storeModelFiles(
  deps: Deps,
  path: string,
  of?: { readonly jobId: string },
): Promise<ModelVersionRecord['files']> {
  const files: { path: string; digest: string; bytes: number }[] = [];
  const found = await deps.places.filesOf(path, of);
  for (const file of found) await file.inspect();
  for (const file of found) {
    const { digest, bytes } = await deps.blobs.put(file.open());
    files.push({ path: file.path, digest, bytes });
  }
  if (files.length === 0)
    throw new GantryError('data_missing', `${path} holds no file`, {
      hint: 'name a directory or a file on the server machine',
    });
  return files;
}

/** Answers `name@number`. */
export async function registerVersion(deps: Deps, tx: Tx, input: RegisterInput): Promise<string> {
  const bytes = input.files.reduce((sum, file) => sum + file.bytes, 0);
  let model = await tx.byName('model', input.tenantId, input.modelName);
  model ??= await tx.insert({
    kind: 'model',
    id: createId('mdl', deps.clock.nowMs()),
    tenantId: input.tenantId,
    name: input.modelName,
    state: 'active',
    spec: {},
    status: { aliases: {}, latest: 0 } satisfies ModelStatusRecord,
  });
  const status = model.status as ModelStatusRecord;
  const number = status.latest + 1;
  await tx.insert({
    kind: 'model-version',
    id: createId('mv', deps.clock.nowMs()),
    tenantId: input.tenantId,
    name: `${input.modelName}@${number}`,
    state: 'active',
    parentId: model.id,
    spec: {
      model: input.modelName,
      number,
      formats: [...input.formats],
      bytes,
      files: input.files,
      metrics: { ...input.metrics },
      lineage: { ...input.lineage },
    } satisfies ModelVersionRecord,
    status: {
      user: input.user,
      ...(input.jobId === undefined ? {} : { jobId: input.jobId }),
    } satisfies ModelVersionStatusRecord,
  });
  await tx.update('model', model.id, {
    expectedVersion: model.version,
    status: { ...status, latest: number },
  });
  await tx.event({
    tenantId: input.tenantId,
    kind: 'model',
    resourceId: model.id,
    type: 'model.version_registered',
    actor: input.user,
    reason: { version: number, bytes },
    ...(input.requestId === undefined ? {} : { requestId: input.requestId }),
  });
  return `${input.modelName}@${number}`;
}
