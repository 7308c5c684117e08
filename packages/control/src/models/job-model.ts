/** What a job exported, as a version of the model it was asked to register. */
import { type EvaluateSpec, GantryError, type Measured } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { AttemptFacts } from '../jobs/attempt-facts.ts';
import { type Deps, isoNow } from '../deps.ts';
import type { AttemptRecord, JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import { askedEndpoints } from './asked-endpoints.ts';
import type { ModelVersionRecord } from './model-record.ts';
import { recordEvaluation } from './record-evaluation.ts';
import { registerVersion, storeModelFiles } from './register-version.ts';

type Artifact = NonNullable<JobStatusRecord['artifact']>;

export interface JobModel {
  readonly name: string;
  readonly artifact: Artifact;
  readonly files: ModelVersionRecord['files'];
}

export interface ModelProblem {
  readonly message: string;
  readonly hint: string;
}

export const isStored = (model: JobModel | ModelProblem | undefined): model is JobModel =>
  model !== undefined && 'files' in model;

/** Stores what is to be registered. A job that has nothing to register gives undefined. */
export async function storeJobModel(
  deps: Deps,
  row: Row,
  { artifact, evaluation }: Pick<AttemptFacts, 'artifact' | 'evaluation'>,
): Promise<JobModel | ModelProblem | undefined> {
  const { register, evaluate } = (row.spec as JobSpecRecord).job;
  if (evaluate !== undefined && evaluation === undefined)
    return {
      message: 'the work is done, but it reported no numbers that could be kept',
      hint: `what it found is in its log: gantry job logs ${row.name}`,
    };
  if (evaluate !== undefined) {
    const moved = await whatMoved(deps, row.tenantId, evaluate);
    if (moved !== undefined) return moved;
  }
  if (register === undefined) return undefined;
  if (artifact === undefined)
    return {
      message: `the work is done, but it reported no model to register as "${register}"`,
      hint: 'a program of your own appends an artifact line to $GANTRY_REPORT_FILE; else leave register out',
    };
  try {
    return { name: register, artifact, files: await storeModelFiles(deps, artifact.path, { jobId: row.id }) };
  } catch (error) {
    const why = error instanceof GantryError ? `${error.code}: ${error.message}` : String(error);
    return {
      message: `the work is done, but the model "${register}" could not be registered: ${why}`,
      hint: `put that right, then gantry job retry ${row.name}; it goes on from its last checkpoint`,
    };
  }
}

/** What was asked must still serve what it was asked for; else nobody knows of what the numbers are. */
async function whatMoved(
  deps: Deps,
  tenantId: string,
  evaluate: EvaluateSpec,
): Promise<ModelProblem | undefined> {
  try {
    await deps.store.read({ platform: true }, (tx) => askedEndpoints(tx, tenantId, evaluate));
    return undefined;
  } catch (error) {
    if (!(error instanceof GantryError) || error.code === 'internal') throw error;
    return {
      message: `the numbers were not kept: ${error.message} any more`,
      hint: 'leave the endpoint as it is until the evaluation has ended',
    };
  }
}

/** What an evaluating job measured; of any other job such a report counts for nothing. */
export async function recordJobEvaluation(
  deps: Deps,
  tx: Tx,
  row: Row,
  measured: Measured | undefined,
): Promise<void> {
  const { user, job } = row.spec as JobSpecRecord;
  if (job.evaluate === undefined || measured === undefined) return;
  const { model: name, against, through } = job.evaluate;
  const version = await tx.byName('model-version', row.tenantId, name);
  const model = version?.parentId === undefined ? undefined : await tx.get('model', version.parentId);
  if (version === undefined || model === undefined) return;
  const { comparison, metrics, data } = measured;
  await recordEvaluation(
    tx,
    { model, version },
    {
      ...(against === undefined || comparison === undefined ? {} : { against, comparison }),
      metrics,
      data,
      at: isoNow(deps.clock),
      by: user,
      ...(through === undefined ? {} : { through }),
      job: row.name,
    },
  );
}

export function registerJobModel(
  deps: Deps,
  tx: Tx,
  row: Row,
  { name, artifact, files }: JobModel,
  attempt: AttemptRecord,
): Promise<string> {
  const { user, code, job } = row.spec as JobSpecRecord;
  const checkpoint = (row.status as JobStatusRecord).progress?.checkpointPath?.split('/').at(-1);
  return registerVersion(deps, tx, {
    tenantId: row.tenantId,
    user,
    modelName: name,
    files,
    formats: artifact.formats,
    metrics: artifact.metrics,
    lineage: {
      ...artifact.lineage,
      // Whatever the worker says of it: this is the version that it was given.
      ...(job.convert?.model === undefined ? {} : { derivedFrom: job.convert.model }),
      job: row.name,
      jobId: row.id,
      attempt: attempt.id,
      epoch: attempt.epoch,
      ...(job.image === undefined || attempt.image === undefined ? {} : { image: attempt.image }),
      ...(code === undefined ? {} : { code }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    },
    jobId: row.id,
  });
}
