/** Model versions as endpoints name them: found, servable by an engine here, and let through by their gate. */
import { devicesOfRank, type EndpointCreate, GantryError, type ShardedEngine } from '@gantry/contract';
import {
  type EndpointSpecRecord,
  type GateNote,
  type ModelVersionRecord,
  type ServedVersion,
  engineFiles,
  passGate,
  planTies,
  resolveVersion,
  tiedResources,
} from '@gantry/control';
import { countOf } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import { isAllowed } from '../http/permission.ts';
import type { Principal } from '../http/index.ts';

interface EngineWish {
  readonly isOwnServer?: boolean;
  readonly decoder?: EndpointSpecRecord['decoder'];
}

type AdapterWish =
  | readonly { readonly name: string; readonly model: string; readonly scale?: number | undefined }[]
  | undefined;

export interface Servable extends ServedVersion {
  readonly row: Row;
  readonly engine: 'llm' | 'tensor';
  readonly decoder?: EndpointSpecRecord['decoder'];
}

/**
 * `isOwnServer`: the endpoint brings its own engine, which may read what none of ours does. `decoder`: the one that it
 * asks for.
 */
export async function servedVersion(
  tx: Tx,
  tenantId: string,
  reference: string,
  { isOwnServer = false, decoder }: EngineWish = {},
): Promise<Servable> {
  const row = await resolveVersion(tx, tenantId, reference);
  if (isOwnServer) return { row, model: row.name, modelVersionId: row.id, engine: 'llm' };
  const spec = row.spec as ModelVersionRecord;
  const files = engineFiles(spec, decoder);
  if (files === undefined)
    throw new GantryError(
      'validation_failed',
      `${row.name} ${whyNot(decoder)} (${spec.formats.join(', ')})`,
      {
        hint: 'convert it: gantry model convert',
      },
    );
  return {
    row,
    model: row.name,
    modelVersionId: row.id,
    engine: files.engine,
    ...(files.decoder === undefined ? {} : { decoder: files.decoder }),
  };
}

/** Of each rank: a sharded engine says itself how many devices that is. */
export function resourcesOf({
  resources,
  engine,
}: {
  readonly resources: EndpointSpecRecord['resources'];
  readonly engine?: ShardedEngine | undefined;
}): EndpointSpecRecord['resources'] {
  if (engine === undefined) return resources;
  const gpu = engine.device === 'cpu' ? 0 : devicesOfRank(engine);
  if (resources.gpu !== 0 && resources.gpu !== gpu)
    throw new GantryError(
      'validation_failed',
      `${engine.ranks === 1 ? 'its rank' : `each of ${engine.ranks} ranks`} holds ${countOf(gpu, 'device')} (tensor ${engine.tensor} × pipeline ${engine.pipeline}), not ${resources.gpu}`,
      { details: { path: 'resources.gpu' }, hint: 'leave resources.gpu out, or change the sizes' },
    );
  return { ...resources, gpu };
}

/** The endpoint's resources where the version may be served with them: a plan is bound to its device. */
export const placedResources = (
  { row, model }: Servable,
  endpoint: Pick<EndpointSpecRecord, 'resources'> & {
    readonly server?: { readonly tensorrt?: string | undefined } | undefined;
  },
): EndpointSpecRecord['resources'] =>
  tiedResources(model, planTies(row.spec as ModelVersionRecord), endpoint);

/** What the endpoint says of its engine. */
export const engineWish = ({
  server,
  engine,
  decoder,
}: {
  readonly server?: unknown;
  readonly engine?: unknown;
  readonly decoder?: EndpointSpecRecord['decoder'] | undefined;
}): EngineWish => ({
  isOwnServer: server !== undefined || engine !== undefined,
  ...(decoder === undefined ? {} : { decoder }),
});

function whyNot(decoder: EngineWish['decoder']): string {
  if (decoder === 'llama.cpp') return 'has no GGUF file for llama.cpp';
  const folder = 'safetensors with config.json and tokenizer.json';
  return decoder === 'paged'
    ? `has no ${folder} for the paged decoder`
    : `has neither a GGUF nor an ONNX file nor ${folder}, and no engine here serves its formats`;
}

/** What not every engine does, refused before a replica is asked for it. */
export function checkEngine(
  { engine, model }: Servable,
  wish: {
    readonly speculation?: unknown;
    readonly adapters?: unknown;
    readonly server?: unknown;
    /** Sharded. */
    readonly engine?: unknown;
    readonly warmUp?: unknown;
  },
): void {
  if (wish.server !== undefined && wish.engine !== undefined)
    throw new GantryError('validation_failed', 'an endpoint has one server: `server` or `engine`', {
      details: { path: 'engine' },
      hint: 'with `server` the command is yours, with `engine` it is written for you',
    });
  const isForeign = wish.server !== undefined || wish.engine !== undefined;
  if (wish.warmUp !== undefined && (engine !== 'tensor' || isForeign))
    throw new GantryError('validation_failed', `warmUp is of tensor models, and ${model} is none here`, {
      details: { path: 'warmUp' },
      hint: isForeign
        ? 'your server warms itself; it is ready when its health path answers'
        : 'a language model warms itself with a short prompt',
    });
  if (engine === 'llm' && !isForeign) return;
  const needs = (['speculation', 'adapters'] as const).find((name) => wish[name] !== undefined);
  if (needs === undefined) return;
  throw new GantryError(
    'validation_failed',
    `${needs} needs a decoder of ours, and ${model} is not served by one here`,
    {
      details: { path: needs },
      hint: isForeign ? 'name it in the command of your server' : 'only language models have it',
    },
  );
}

/** Whoever asks an endpoint goes on asking in the same dialect: text stays text, tensors stay tensors. */
export async function checkSameDialect(
  tx: Tx,
  tenantId: string,
  found: Servable,
  spec: EndpointSpecRecord,
): Promise<void> {
  const wish = engineWish(spec);
  if (wish.isOwnServer === true || spec.remote !== undefined) return;
  const serving = await servedVersion(tx, tenantId, spec.model, wish);
  if (serving.engine === found.engine) return;
  const dialects = { llm: 'a language model', tensor: 'a tensor model' };
  throw new GantryError(
    'validation_failed',
    `${found.model} is ${dialects[found.engine]}, and ${serving.model} ${dialects[serving.engine]}: its clients could not ask it`,
    { hint: 'serve it under a name of its own: gantry endpoint create NAME --model REF' },
  );
}

/** The wish with each adapter's version found. */
export async function adaptersOf(
  tx: Tx,
  tenantId: string,
  wish: AdapterWish,
): Promise<EndpointSpecRecord['adapters']> {
  if (wish === undefined || wish.length === 0) return undefined;
  const adapters: NonNullable<EndpointSpecRecord['adapters']>[number][] = [];
  for (const { name, model, scale } of wish) {
    if (adapters.some((one) => one.name === name))
      throw new GantryError('validation_failed', `two adapters are called ${name}`, {
        details: { path: 'adapters' },
      });
    const found = await servedVersion(tx, tenantId, model, { decoder: 'llama.cpp' });
    adapters.push({ name, ...toServed(found), ...(scale === undefined ? {} : { scale }) });
  }
  return adapters;
}

const ownSlots = 4;
/** What vLLM takes at once on most devices where nobody says otherwise. */
const shardedSlots = 256;

/** Requests that a replica computes at once: a tensor engine joins as many as its batches hold. */
export function slotsOf(
  kind: 'llm' | 'tensor',
  { slots, batching, engine }: Partial<EndpointCreate>,
): number {
  if (engine !== undefined) return slots ?? shardedSlots;
  return kind === 'llm' ? (slots ?? ownSlots) : Math.max(slots ?? ownSlots, batching?.maxBatchSize ?? 32);
}

export const toServed = ({ model, modelVersionId }: ServedVersion): ServedVersion => ({
  model,
  modelVersionId,
});

/** The wish with its draft model found: a GGUF, whichever decoder checks its guesses. */
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
    ...(model === undefined
      ? {}
      : toServed(await servedVersion(tx, tenantId, model, { decoder: 'llama.cpp' }))),
  };
}

/** Refuses a version that its gate holds back, unless an admin says why not to. */
export function gateFor(
  tx: Tx,
  version: Row,
  { role, scopes }: Principal,
  override: string | undefined,
  because?: string,
): Promise<GateNote> {
  return passGate(tx, version, { override, mayOverride: isAllowed('admin', role, scopes), because });
}
