/**
 * `POST /v2/models/{m}/infer` → tensors, or a 400 that says why. With the binary extension the JSON comes first and
 * the raw tensors of `binary_data_size` bytes each follow in the order of the inputs.
 */
import { EngineError } from '../engine-error.ts';
import { parseJson } from '../host/http-body.ts';
import { datatypes, isDatatype } from './datatypes.ts';
import { encodeValues } from './json-values.ts';
import { elementCount, textBounds, type WireTensor } from './wire-tensor.ts';

export interface InferCall {
  readonly id: string | undefined;
  readonly inputs: readonly WireTensor[];
  /** Names of the wanted outputs, and whether each goes out in binary; empty: all, `isBinaryDefault`. */
  readonly outputs: readonly { readonly name: string; readonly isBinary: boolean }[];
  readonly isBinaryDefault: boolean;
  readonly priority: number | undefined;
  readonly timeoutMs: number | undefined;
  /** Which conversation with a model that has a memory this belongs to. */
  readonly sequence?: { readonly id: string; readonly isStart: boolean; readonly isEnd: boolean };
  /** Nobody's request: every session computes it, now and by itself, and no statistic counts it. */
  readonly isWarmUp?: true;
}

type Fields = Readonly<Record<string, unknown>>;
const most = { tensors: 256, dimensions: 16, elements: 2 ** 31 } as const;

export function parseInfer(body: Buffer, jsonLength: string | undefined): InferCall {
  const length = jsonLength === undefined ? body.length : Number(jsonLength);
  if (!Number.isInteger(length) || length < 0 || length > body.length)
    throw bad('inference-header-content-length', 'The header names more bytes than the body has.');
  const fields = asObject(parseJson(body.subarray(0, length)), 'The body');
  const parameters = optionalObject(fields['parameters'], 'parameters');
  const raw = createTail(body.subarray(length));
  const inputs = asList(fields['inputs'], 'inputs').map((value) => tensorOf(value, raw));
  if (inputs.length === 0) throw bad('inputs', 'inputs names at least one tensor.');
  raw.finish();
  const isBinaryDefault = parameters['binary_data_output'] === true;
  const outputs =
    fields['outputs'] === undefined
      ? []
      : asList(fields['outputs'], 'outputs').map((value) => {
          const output = asObject(value, 'An output');
          const asked = optionalObject(output['parameters'], 'parameters')['binary_data'];
          return {
            name: nameOf(output),
            isBinary: typeof asked === 'boolean' ? asked : isBinaryDefault,
          };
        });
  const { id } = fields;
  const sequence = sequenceOf(parameters);
  return {
    id: typeof id === 'string' ? id : undefined,
    inputs,
    outputs,
    isBinaryDefault,
    priority: countOf(parameters['priority']),
    // Triton's parameter is in microseconds.
    timeoutMs: dividedBy(countOf(parameters['timeout']), 1_000),
    ...(sequence === undefined ? {} : { sequence }),
  };
}

/** Triton's parameters; an id of 0 or '' is none. */
function sequenceOf(parameters: Fields): InferCall['sequence'] {
  const { sequence_id: id, sequence_start: isStart, sequence_end: isEnd } = parameters;
  const isNamed = (typeof id === 'string' && id !== '' && id.length <= 256) || countOf(id) !== undefined;
  return isNamed ? { id: String(id), isStart: isStart === true, isEnd: isEnd === true } : undefined;
}

function tensorOf(value: unknown, raw: Tail): WireTensor {
  const fields = asObject(value, 'An input');
  const name = nameOf(fields);
  const { datatype, shape, data } = fields;
  if (!isDatatype(datatype))
    throw bad(name, `"${name}" needs a datatype: one of ${Object.keys(datatypes).join(', ')}.`);
  if (!isShape(shape)) throw bad(name, `"${name}" needs a shape: whole numbers from 0.`);
  const size = optionalObject(fields['parameters'], 'parameters')['binary_data_size'];
  if (size === undefined) {
    if (!Array.isArray(data)) throw bad(name, `"${name}" has neither data nor binary_data_size.`);
    return { name, datatype, shape, bytes: encodeValues(name, datatype, shape, data) };
  }
  const bytes = raw.take(size, name);
  checkBytes({ name, datatype, shape, bytes });
  return { name, datatype, shape, bytes };
}

/** Every byte is accounted for by the shape. */
export function checkBytes({ name, datatype, shape, bytes }: WireTensor): void {
  const element = datatypes[datatype].bytes;
  const isRight =
    element === undefined
      ? textBounds(bytes, elementCount(shape)) !== undefined
      : bytes.byteLength === elementCount(shape) * element;
  if (!isRight)
    throw bad(
      name,
      `"${name}" has ${bytes.byteLength} bytes, which is not what [${shape.join(', ')}] takes.`,
    );
}

interface Tail {
  take(size: unknown, name: string): Uint8Array;
  finish(): void;
}

function createTail(bytes: Buffer): Tail {
  let offset = 0;
  return {
    take: (size, name) => {
      if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || offset + size > bytes.length)
        throw bad(
          name,
          `"${name}" names ${(JSON.stringify(size) ?? 'no').slice(0, 80)} bytes; ${bytes.length - offset} are left.`,
        );
      offset += size;
      return bytes.subarray(offset - size, offset);
    },
    finish: () => {
      if (offset < bytes.length)
        throw bad('inputs', `${bytes.length - offset} bytes follow that no input names.`);
    },
  };
}

function isShape(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= most.dimensions &&
    value.every((size) => Number.isInteger(size) && size >= 0) &&
    elementCount(value as number[]) < most.elements
  );
}

function nameOf({ name }: Fields): string {
  if (typeof name === 'string' && name !== '' && name.length <= 1_024) return name;
  throw bad('name', 'A tensor has a name.');
}

function asObject(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new EngineError('invalid_json', `${what} is a JSON object.`);
}

function optionalObject(value: unknown, what: string): Fields {
  return value === undefined || value === null ? {} : asObject(value, what);
}

function asList(value: unknown, param: string): readonly unknown[] {
  if (Array.isArray(value) && value.length <= most.tensors) return value as unknown[];
  throw bad(param, `${param} is a list of at most ${most.tensors} tensors.`);
}

function countOf(value: unknown): number | undefined {
  const count = typeof value === 'string' ? Number(value) : value;
  return typeof count === 'number' && Number.isFinite(count) && count > 0 ? count : undefined;
}

const dividedBy = (value: number | undefined, divisor: number): number | undefined =>
  value === undefined ? undefined : value / divisor;

function bad(param: string, message: string): EngineError {
  return new EngineError('invalid_value', message, { param });
}
