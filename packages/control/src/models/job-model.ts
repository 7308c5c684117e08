/** What a job exported, as a version of the model it was asked to register. */
import { GantryError } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { AttemptRecord, JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import type { ModelVersionRecord } from './model-record.ts';
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
  artifact: Artifact | undefined,
): Promise<JobModel | ModelProblem | undefined> {
  const { register } = (row.spec as JobSpecRecord).job;
  if (register === undefined) return undefined;
  if (artifact === undefined)
    return {
      message: `the work is done, but it reported no model to register as "${register}"`,
      hint: 'a program of your own appends an artifact line to $GANTRY_REPORT_FILE; else leave register out',
    };
  try {
    return { name: register, artifact, files: await storeModelFiles(deps, artifact.path) };
  } catch (error) {
    const why = error instanceof GantryError ? `${error.code}: ${error.message}` : String(error);
    return {
      message: `the work is done, but the model "${register}" could not be registered: ${why}`,
      hint: `put that right, then gantry job retry ${row.name}; it goes on from its last checkpoint`,
    };
  }
}

export function registerJobModel(
  deps: Deps,
  tx: Tx,
  row: Row,
  { name, artifact, files }: JobModel,
  attempt: AttemptRecord,
): Promise<string> {
  const { user, code } = row.spec as JobSpecRecord;
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
      job: row.name,
      jobId: row.id,
      attempt: attempt.id,
      epoch: attempt.epoch,
      ...(code === undefined ? {} : { code }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    },
    jobId: row.id,
  });
}
