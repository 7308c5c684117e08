import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import { type Deps, isoNow } from '../deps.ts';
import { prices } from '../ledger/prices.ts';
import type { AttemptRecord, JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import type { ModelStatusRecord, ModelVersionRecord } from './model-record.ts';

/** Files → blobs → a new version of the model; made in the transaction that ends the job. Returns `name@number`. */
export async function registerArtifact(
  deps: Deps,
  tx: Tx,
  row: Row,
  modelName: string,
  artifact: NonNullable<JobStatusRecord['artifact']>,
  attempt: AttemptRecord,
): Promise<string> {
  const { user } = row.spec as JobSpecRecord;
  return registerFiles(deps, tx, {
    tenantId: row.tenantId,
    user,
    modelName,
    path: artifact.path,
    formats: artifact.formats,
    metrics: artifact.metrics,
    lineage: { ...artifact.lineage, job: row.name, jobId: row.id, attempt: attempt.id, epoch: attempt.epoch },
    jobId: row.id,
  });
}

export interface RegisterInput {
  readonly tenantId: string;
  readonly user: string;
  readonly modelName: string;
  readonly path: string;
  readonly formats: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly lineage: Readonly<Record<string, unknown>>;
  readonly jobId?: string;
}

export async function registerFiles(deps: Deps, tx: Tx, input: RegisterInput): Promise<string> {
  const files: { path: string; digest: string; bytes: number }[] = [];
  for (const file of await deps.places.filesOf(input.path)) {
    const { digest, bytes } = await deps.blobs.put(file.open());
    files.push({ path: file.path, digest, bytes });
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
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
  const version = await tx.insert({
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
      files,
      metrics: { ...input.metrics },
      lineage: { ...input.lineage },
    } satisfies ModelVersionRecord,
    status: {},
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
  });
  await tx.usage({
    id: `stored:${version.id}`,
    tenantId: input.tenantId,
    at: isoNow(deps.clock),
    userId: input.user,
    ...(input.jobId === undefined ? {} : { jobId: input.jobId }),
    resource: 'stored_bytes',
    quantity: bytes,
    unit: 'B',
    price: prices.stored_bytes.perUnit,
    currency: prices.stored_bytes.currency,
  });
  return `${input.modelName}@${number}`;
}
