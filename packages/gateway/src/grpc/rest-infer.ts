/** `infer` of the REST dialect, JSON or with binary tensors, as a gRPC message, and its answer back: infer-messages.ts turned around. */
import { binaryHeader } from '@gantry/contract/foreign/oip';
import { plain, type Parameters, toParameters } from './infer-parameters.ts';
import { toRaw, type TensorContents } from './tensor-contents.ts';
import { rawToValues, valuesToRaw } from './tensor-values.ts';
import { parseExactJson } from '../http/exact-json.ts';

type Fields = Readonly<Record<string, unknown>>;

interface RestTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: Fields;
  readonly data?: readonly unknown[];
}

interface RestInfer {
  readonly id?: string;
  readonly parameters?: Fields;
  readonly inputs: readonly RestTensor[];
  readonly outputs?: readonly { readonly name: string; readonly parameters?: Fields }[];
}

/** What the client wants of an output: raw bytes, or values. */
export type WantsBinary = (output: string) => boolean;

export interface GrpcInfer {
  readonly message: object;
  readonly wantsBinary: WantsBinary;
}

/** Says why where the body is no request. */
export function toInferMessage(
  model: string,
  version: string,
  headers: Fields,
  body: Buffer,
): GrpcInfer | { readonly reason: string } {
  const jsonLength = Number(headers[binaryHeader] ?? body.length);
  let rest: RestInfer;
  try {
    rest = parseExactJson(body.subarray(0, jsonLength)) as RestInfer;
  } catch {
    return { reason: 'The body is no JSON.' };
  }
  const inputs: unknown = (rest as Partial<RestInfer> | null)?.inputs;
  if (!Array.isArray(inputs) || !inputs.every(isTensor))
    return { reason: 'Each of `inputs` needs a name, a datatype and a shape.' };
  let offset = jsonLength;
  const raws: Buffer[] = [];
  for (const { name, datatype, data, parameters } of inputs) {
    const size = parameters?.['binary_data_size'];
    const raw =
      typeof size === 'number' ? body.subarray(offset, offset + size) : valuesToRaw(datatype, data ?? []);
    if (raw === undefined || (typeof size === 'number' && raw.length !== size))
      return { reason: `\`${name}\` has no data of ${datatype}; BF16 comes in binary.` };
    if (typeof size === 'number') offset += size;
    raws.push(raw);
  }
  const { id = '', outputs = [], parameters = {} } = rest;
  const asked = new Map(outputs.map((output) => [output.name, output.parameters?.['binary_data']]));
  const isBinaryDefault = parameters['binary_data_output'] === true;
  return {
    message: {
      model_name: model,
      model_version: version,
      id,
      parameters: toParameters(parameters),
      inputs: inputs.map(({ name, datatype, shape, parameters: own }) => ({
        name,
        datatype,
        shape,
        parameters: toParameters(own),
      })),
      outputs: outputs.map((output) => ({ name: output.name, parameters: toParameters(output.parameters) })),
      raw_input_contents: raws,
    },
    wantsBinary: (output) => {
      const wanted = asked.get(output);
      return typeof wanted === 'boolean' ? wanted : isBinaryDefault;
    },
  };
}

export interface InferAnswer {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters?: Parameters;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly string[];
    readonly contents: TensorContents | null;
  }[];
  readonly raw_output_contents: readonly Buffer[];
}

export interface RestAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Undefined where the server's answer contradicts itself or cannot be said as the client wants it. */
export function toRestAnswer(answer: InferAnswer, wantsBinary: WantsBinary): RestAnswer | undefined {
  const tail: Buffer[] = [];
  const outputs: object[] = [];
  for (const [index, { name, datatype, shape, contents }] of answer.outputs.entries()) {
    const raw = answer.raw_output_contents[index] ?? toRaw(datatype, contents ?? {});
    if (raw === undefined) return undefined;
    const output = { name, datatype, shape: shape.map(Number) };
    if (wantsBinary(name)) {
      tail.push(raw);
      outputs.push({ ...output, parameters: { binary_data_size: raw.length } });
    } else {
      const data = rawToValues(datatype, raw);
      if (data === undefined) return undefined;
      outputs.push({ ...output, data });
    }
  }
  const json = Buffer.from(JSON.stringify({ ...headOf(answer), outputs }));
  if (tail.length === 0) return { headers: { 'content-type': 'application/json' }, body: json };
  return {
    headers: { 'content-type': 'application/octet-stream', [binaryHeader]: String(json.length) },
    body: Buffer.concat([json, ...tail]),
  };
}

/**
 * One answer of a stream as the data of an event: values, or, where the client wants binary, its outputs' bytes in
 * base64 beside them (`raw_output_contents`, in their order). Undefined as above.
 */
export function toEventData(answer: InferAnswer, wantsBinary: WantsBinary): object | undefined {
  const isBinary = answer.outputs.some(({ name }) => wantsBinary(name));
  const said = toRestAnswer(answer, () => isBinary);
  if (said === undefined) return undefined;
  const length = Number(said.headers[binaryHeader] ?? said.body.length);
  const value = JSON.parse(said.body.toString('utf8', 0, length)) as {
    readonly outputs: readonly RestTensor[];
  };
  if (!isBinary) return value;
  let offset = length;
  const raws = value.outputs.map(({ parameters }) => {
    offset += Number(parameters?.['binary_data_size'] ?? 0);
    return said.body.toString('base64', offset - Number(parameters?.['binary_data_size'] ?? 0), offset);
  });
  return { ...value, raw_output_contents: raws };
}

/** The same turned around: an event's data as the answer that it would be alone. */
export function fromEventData(value: object): {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
} {
  const { raw_output_contents: raws = [], ...rest } = value as {
    readonly raw_output_contents?: readonly string[];
  };
  const json = Buffer.from(JSON.stringify(rest));
  return {
    headers: { [binaryHeader]: String(json.length) },
    body: Buffer.concat([json, ...raws.map((raw) => Buffer.from(raw, 'base64'))]),
  };
}

function headOf({ model_name, model_version, id, parameters }: InferAnswer): object {
  const said = plain(parameters);
  return {
    model_name,
    model_version,
    ...(id === '' ? {} : { id }),
    ...(Object.keys(said).length === 0 ? {} : { parameters: said }),
  };
}

function isTensor(value: unknown): value is RestTensor {
  const { name, datatype, shape, data } = (value ?? {}) as Partial<Record<keyof RestTensor, unknown>>;
  return (
    typeof name === 'string' &&
    typeof datatype === 'string' &&
    Array.isArray(shape) &&
    (data === undefined || Array.isArray(data))
  );
}
