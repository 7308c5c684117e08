/** Model versions as endpoints name them: found, servable by an engine here, and let through by their gate. */
import { type Batching, GantryError } from '@gantry/contract';
import {
  type EndpointSpecRecord,
  type GateNote,
  type ModelVersionRecord,
  type ServedVersion,
  engineFiles,
  passGate,
  resolveVersion,
} from '@gantry/control';
import type { Row, Tx } from '@gantry/ports';
import { isAllowed } from '../http/permission.ts';
import type { Principal } from '../http/index.ts';

export interface Servable extends ServedVersion {
  readonly row: Row;
  readonly engine: 'llm' | 'tensor';
}

/** `isOwnServer`: the endpoint brings its own engine, which may read what none of ours does. */
export async function servedVersion(
  tx: Tx,
  tenantId: string,
  reference: string,
  isOwnServer = false,
): Promise<Servable> {
  const row = await resolveVersion(tx, tenantId, reference);
  if (isOwnServer) return { row, model: row.name, modelVersionId: row.id, engine: 'llm' };
  const spec = row.spec as ModelVersionRecord;
  const files = engineFiles(spec);
  if (files === undefined)
    throw new GantryError(
      'validation_failed',
      `${row.name} has neither a GGUF nor an ONNX file, and no engine here serves its formats (${spec.formats.join(', ')})`,
      { hint: 'convert it: gantry model convert' },
    );
  return { row, model: row.name, modelVersionId: row.id, engine: files.engine };
}

/** Requests that a replica computes at once: a tensor engine joins as many as its batches hold. */
export function slotsOf(
  engine: 'llm' | 'tensor',
  { slots, batching }: { readonly slots: number; readonly batching?: Batching | undefined },
): number {
  return engine === 'llm' ? slots : Math.max(slots, batching?.maxBatchSize ?? 32);
}

export const toServed = ({ model, modelVersionId }: ServedVersion): ServedVersion => ({
  model,
  modelVersionId,
});

/** The wish with its draft model found. */
export async function draftOf(
  tx: Tx,
  tenantId: string,
  wish:
    | { readonly method: 'ngram' | 'draft'; readonly tokens: number; readonly model?: string | undefined }
    | undefined,
): Promise<EndpointSpecRecord['speculation']> {
  if (wish === undefined) return undefined;
  const { method, tokens, model } = wish;
  return {
    method,
    tokens,
    ...(model === undefined ? {} : toServed(await servedVersion(tx, tenantId, model))),
  };
}

/** Refuses a version that its gate holds back, unless an admin says why not to. */
export function gateFor(
  tx: Tx,
  version: Row,
  { role, scopes }: Principal,
  override: string | undefined,
): Promise<GateNote> {
  return passGate(tx, version, { override, mayOverride: isAllowed('admin', role, scopes) });
}
