/**
 * Open Inference Protocol ↔ the REST dialects of TensorFlow Serving (`/v1/models/M:predict`, columns) and TorchServe
 * (`/predictions/M`, its JSON envelope). Clients speak one protocol whatever stands behind a name.
 */
import { countOf } from '@gantry/kit';
import type { OipPath } from '../requests/parse-oip.ts';
import type { UpstreamCall } from '../requests/inference-request.ts';
import { datatypeOf, maxDepth, toFlat, toNested } from './nested-data.ts';
import type { RemoteOrigin, RemoteSignature } from './remote-origin.ts';
import { parseJson } from '../http/parse-json.ts';

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
}

interface InferBody {
  readonly id?: string;
  readonly inputs?: readonly Tensor[];
  readonly outputs?: readonly { readonly name: string }[];
}

/** How one of these servers is asked and understood. */
interface TensorDialect {
  path(model: string, version: string): string;
  toBody(inputs: readonly Tensor[]): unknown;
  /** Nested values by output; a lone output may come without a name. */
  outputsOf(answer: Readonly<Record<string, unknown>> | readonly unknown[]): unknown;
}

const dialects: Readonly<Record<'tfserving' | 'torchserve', TensorDialect>> = {
  tfserving: {
    path: (model, version) => `/v1/models/${model}${version === '' ? '' : `/versions/${version}`}:predict`,
    toBody: (inputs) => ({ inputs: Object.fromEntries(inputs.map(nestedOf)) }),
    outputsOf: (answer) => (Array.isArray(answer) ? answer : (answer as { outputs?: unknown }).outputs),
  },
  torchserve: {
    path: (model, version) => `/predictions/${model}${version === '' ? '' : `/${version}`}`,
    toBody: (inputs) => {
      const [first] = inputs;
      if (first === undefined || inputs.length === 1)
        return { instances: first === undefined ? [] : nestedOf(first)[1] };
      const columns = inputs.map(nestedOf);
      const rows = first.shape[0] ?? 1;
      return {
        instances: Array.from({ length: rows }, (_, row) =>
          Object.fromEntries(columns.map(([name, values]) => [name, (values as unknown[])[row]])),
        ),
      };
    },
    outputsOf: (answer) =>
      toColumns(Array.isArray(answer) ? answer : (answer as { predictions?: unknown }).predictions),
  },
};

/** Rows that name their values come back as a column of each name. */
function toColumns(rows: unknown): unknown {
  if (!Array.isArray(rows) || rows.length === 0 || !rows.every(isRow)) return rows;
  return Object.fromEntries(Object.keys(rows[0] ?? {}).map((name) => [name, rows.map((row) => row[name])]));
}

const isRow = (row: unknown): row is Readonly<Record<string, unknown>> =>
  typeof row === 'object' && row !== null && !Array.isArray(row);

const nestedOf = ({ name, shape, data = [] }: Tensor): readonly [string, unknown] => [
  name,
  toNested(data, shape),
];

export interface TranslatedCall {
  readonly call: UpstreamCall;
  /** The answer's body in the client's protocol; a status of 400 or more keeps its status. */
  readonly toAnswer: (status: number, body: Buffer) => Buffer;
}

export type Translation = TranslatedCall | { readonly refused: string } | { readonly answer: unknown };

/** Undefined where the server speaks the client's protocol itself. */
export function translateCall(
  { engine, signature }: Pick<RemoteOrigin, 'engine' | 'signature'>,
  asked: OipPath & { readonly bytes: Buffer; readonly isBinary: boolean },
  model: string,
): Translation | undefined {
  if (engine !== 'tfserving' && engine !== 'torchserve')
    return asked.verb === 'ready' ? readyCall(asked.model, model, asked.version) : undefined;
  if (asked.verb === 'ready')
    return { refused: `Which versions of a model a ${engine} server has ready is not told here.` };
  if (asked.verb !== 'infer') return { answer: metadataOf(asked.model, engine, signature) };
  if (asked.isBinary)
    return { refused: `A ${engine} server takes tensors as JSON only: send them without binary data.` };
  const body = inferBody(asked.bytes);
  if (typeof body === 'string') return { refused: body };
  const dialect = dialects[engine];
  return {
    call: {
      method: 'POST',
      path: dialect.path(encodeURIComponent(model), encodeURIComponent(asked.version ?? '')),
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: Buffer.from(JSON.stringify(dialect.toBody(body.inputs ?? []))),
    },
    toAnswer: (status, bytes) => toAnswer(dialect, asked.model, body, signature, status, bytes),
  };
}

/** Their answers have no body, or each another. */
const readyCall = (name: string, model: string, version: string | undefined): TranslatedCall => ({
  call: {
    method: 'GET',
    path: `/v2/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version ?? '')}/ready`,
    headers: { accept: '*/*' },
    body: null,
  },
  toAnswer: (status) =>
    status === 200 ? json({ name, ready: true }) : errorBody(`${name} is not ready in version ${version}.`),
});

/** As far as it is passed on, or what is wrong with it. */
function inferBody(bytes: Buffer): InferBody | string {
  let body: InferBody | null;
  try {
    body = parseJson(bytes) as InferBody | null;
  } catch {
    return 'The body is no JSON.';
  }
  const { id, inputs, outputs } = body ?? {};
  if (!Array.isArray(inputs) || inputs.length === 0) return '`inputs` must hold a tensor.';
  for (const input of inputs as readonly (Partial<Tensor> | null)[]) {
    const { name, shape, data } = input ?? {};
    if (typeof name !== 'string' || !isShape(shape) || !Array.isArray(data))
      return 'Each of `inputs` needs a name, a shape and data.';
    const size = shape.reduce((product, each) => product * each, 1);
    if (data.length !== size)
      return `\`${name}\` has ${countOf(data.length, 'value')}, but its shape holds ${size}.`;
  }
  if (outputs !== undefined && !(Array.isArray(outputs) && outputs.every(isNamed)))
    return 'Each of `outputs` needs a name.';
  return {
    inputs: inputs as readonly Tensor[],
    ...(typeof id === 'string' ? { id } : {}),
    ...(outputs === undefined ? {} : { outputs }),
  };
}

const isShape = (shape: unknown): shape is readonly number[] =>
  Array.isArray(shape) &&
  shape.length <= maxDepth &&
  shape.every((each) => Number.isInteger(each) && each > 0);
const isNamed = (output: unknown): boolean =>
  typeof output === 'object' && output !== null && typeof (output as { name?: unknown }).name === 'string';

function toAnswer(
  dialect: TensorDialect,
  model: string,
  asked: InferBody,
  signature: RemoteSignature | undefined,
  status: number,
  bytes: Buffer,
): Buffer {
  const text = bytes.toString('utf8');
  let value: Readonly<Record<string, unknown>> | readonly unknown[];
  try {
    value = parseJson(bytes) as typeof value;
  } catch {
    return errorBody(text);
  }
  if (status >= 400 || typeof value !== 'object' || value === null) return errorBody(errorOf(value) ?? text);
  const found = dialect.outputsOf(value);
  const areNamed = typeof found === 'object' && found !== null && !Array.isArray(found);
  const lone = asked.outputs?.[0]?.name ?? signature?.outputs[0]?.name ?? 'output';
  const named = areNamed ? Object.entries(found) : [[lone, found] as const];
  const wanted = asked.outputs?.map(({ name }) => name);
  const outputs = [];
  for (const [name, nested] of named) {
    if (areNamed && wanted !== undefined && !wanted.includes(name)) continue;
    const flat = toFlat(nested);
    if (flat === undefined || nested === undefined)
      return errorBody(`The server's output "${name}" is no tensor.`);
    const datatype = signature?.outputs.find((output) => output.name === name)?.datatype ?? datatypeOf(flat);
    outputs.push({ name, datatype, ...flat });
  }
  return json({ model_name: model, ...(asked.id === undefined ? {} : { id: asked.id }), outputs });
}

function errorOf(value: unknown): string | undefined {
  const { error, message } = (value ?? {}) as { readonly error?: unknown; readonly message?: unknown };
  return typeof error === 'string' ? error : typeof message === 'string' ? message : undefined;
}

const metadataOf = (name: string, engine: string, signature: RemoteSignature | undefined) => ({
  name,
  versions: [],
  platform: engine,
  inputs: signature?.inputs ?? [],
  outputs: signature?.outputs ?? [],
});

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const errorBody = (error: string): Buffer => json({ error: error.slice(0, 2_000) });
