/** The models that a job works on: which versions, settled when it is submitted, and their files when it starts. */
import { GantryError, type JobSpec } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { type AskedEndpoint, askedEndpoints } from '../models/asked-endpoints.ts';
import type { ModelVersionRecord } from '../models/model-record.ts';
import { sourceOf } from '../models/promotion-gate.ts';
import { resolveVersion } from '../models/resolve-version.ts';
import type { JobSpecRecord } from './job-record.ts';

/** The spec with `name@3` wherever it names a model: what an alias means later is nothing to this job. */
export async function withPinnedModels(tx: Tx, tenantId: string, spec: JobSpec): Promise<JobSpec> {
  const { convert, evaluate } = spec;
  if (convert?.model !== undefined) {
    const { name } = await resolveVersion(tx, tenantId, convert.model);
    const reuse = convert.calibrate?.reuse;
    if (convert.calibrate === undefined || reuse === undefined)
      return { ...spec, convert: { ...convert, model: name } };
    const { name: known } = await resolveVersion(tx, tenantId, reuse);
    const calibrate = { ...convert.calibrate, reuse: known };
    return { ...spec, convert: { ...convert, model: name, calibrate } };
  }
  if (evaluate === undefined) return spec;
  const version = await resolveVersion(tx, tenantId, evaluate.model);
  const against = await comparedWith(tx, tenantId, version, evaluate.against);
  if (against === version.name)
    throw new GantryError('validation_failed', `${version.name} cannot be compared with itself`, {
      details: { path: 'evaluate.against' },
    });
  const pinned = { ...evaluate, model: version.name, ...(against === undefined ? {} : { against }) };
  await askedEndpoints(tx, tenantId, pinned);
  return { ...spec, evaluate: pinned };
}

/** What it was made from, unless another is named. */
async function comparedWith(
  tx: Tx,
  tenantId: string,
  version: Row,
  named: string | undefined,
): Promise<string | undefined> {
  if (named !== undefined) return (await resolveVersion(tx, tenantId, named)).name;
  const source = sourceOf(version.spec as ModelVersionRecord);
  return source === 'unknown' ? undefined : source;
}

export interface ModelInputs {
  /** The folder of each version, by `name@3`. */
  readonly folders: Readonly<Record<string, string>>;
  /** The endpoints that answer for a version instead. */
  readonly asked: Readonly<Record<string, AskedEndpoint>>;
}

export async function modelInputs(deps: Deps, row: Row): Promise<ModelInputs> {
  const { convert, evaluate } = (row.spec as JobSpecRecord).job;
  const asked =
    evaluate === undefined
      ? {}
      : await deps.store.read({ platform: true }, (tx) => askedEndpoints(tx, row.tenantId, evaluate));
  const wanted = [convert?.model, convert?.calibrate?.reuse, evaluate?.model, evaluate?.against]
    .filter((name) => name !== undefined)
    .filter((name) => !(name in asked));
  const folders: Record<string, string> = {};
  for (const name of wanted) {
    const version = await deps.store.read({ platform: true }, (tx) =>
      tx.byName('model-version', row.tenantId, name),
    );
    if (version === undefined)
      throw new GantryError('data_missing', `the model version ${name} is gone`, {
        hint: 'gantry model list says what is left',
      });
    await deps.places.materialiseModel(version.id, (version.spec as ModelVersionRecord).files, '');
    folders[name] = deps.places.modelDir(version.id);
  }
  return { folders, asked };
}
