/**
 * Requests that every session of a model computes before anybody may ask it: those that the endpoint names, else
 * zeros once. The first user then meets warm code and memory, and a model that refuses them is never called ready.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { countOf, createRandom } from '@gantry/kit';
import { EngineError } from '../engine-error.ts';
import { datatypes } from '../oip/datatypes.ts';
import { encodeValues } from '../oip/json-values.ts';
import { checkBytes, type InferCall } from '../oip/parse-infer.ts';
import { elementCount, joinRows, type WireTensor } from '../oip/wire-tensor.ts';
import type { TensorModel } from './tensor-model.ts';
import { batchShapeOf, blankInput, type BatchShape, type TensorInfo } from './tensor-signature.ts';

/** As an endpoint's `warmUp` names them (docs/serving-knobs.md). */
export interface WarmUpRequest {
  readonly name?: string | undefined;
  /** Default 1. */
  readonly rows?: number;
  /** Default 1. */
  readonly count?: number;
  /** Inputs that are not named are zeros. */
  readonly inputs?: Readonly<Record<string, WarmUpInput>> | undefined;
}

interface WarmUpInput {
  /** Of one row where rows are joined; absent: the model's, 1 where it leaves a size open. */
  readonly shape?: readonly number[] | undefined;
  readonly fill?: 'zeros' | 'random' | undefined;
  readonly seed?: number | undefined;
  /** Flat, of one row or of all. */
  readonly values?: readonly (number | boolean | string)[] | undefined;
  /** Raw values beside the model, of one row or of all. */
  readonly file?: string | undefined;
}

export interface WarmUp {
  readonly requests: readonly WarmUpRequest[];
  /** Of the model's files. */
  readonly folder: string;
  /** The user gave batch knobs: a fixed first dimension is then a batch to fill. */
  readonly isBatchDeclared: boolean;
  readonly onLog?: ((line: string) => void) | undefined;
}

/** More would be a mistake of sizes, and end the process instead of telling so. */
const mostBytes = 1024 ** 3;

/** Throws with the request's name when the model refuses one. */
export async function warmUp(model: TensorModel, options: WarmUp): Promise<void> {
  const batch = batchShapeOf(model.signature, options.isBatchDeclared);
  for (const [at, request] of options.requests.entries()) {
    const { name = `${at + 1}`, rows = 1, count = 1 } = request;
    try {
      const inputs = await inputsOf(model, batch, request, options.folder);
      const startedMs = performance.now();
      for (let turn = 0; turn < count; turn++) await compute(model, inputs);
      const tookMs = ((performance.now() - startedMs) / count).toFixed(1);
      options.onLog?.(
        `warm-up "${name}": ${countOf(rows, 'row')}, ${countOf(count, 'time')}, ${tookMs} ms each on every instance`,
      );
    } catch (error) {
      const { message, hint } = error as EngineError;
      throw new EngineError('model_invalid', `The warm-up request "${name}" failed: ${message}`, {
        hint: hint ?? 'Its inputs are the endpoint’s `warmUp`: shapes are of one row, values flat.',
        cause: error,
      });
    }
  }
}

/** What is computed where the endpoint names nothing. */
export async function computeZeros(
  model: TensorModel,
  { isBatchDeclared, onLog }: Pick<WarmUp, 'isBatchDeclared' | 'onLog'>,
): Promise<void> {
  const { inputs } = model.signature;
  const batch = batchShapeOf(model.signature, isBatchDeclared);
  const isGuess = inputs.some(({ shape }) =>
    shape.some((size, axis) => size === -1 && (axis > 0 || batch.kind === 'none')),
  );
  try {
    await compute(
      model,
      inputs.map((info) => blankInput(info, batch, batch.kind === 'fixed' ? batch.rows : 1)),
    );
  } catch (error) {
    // Sizes that only a request knows were guessed: a refusal says nothing about the model.
    if (!isGuess) throw error;
    onLog?.(`warm-up skipped: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const never = new AbortController().signal;

async function compute(model: TensorModel, inputs: readonly WireTensor[]): Promise<void> {
  const call: InferCall = {
    id: undefined,
    inputs,
    outputs: [],
    isBinaryDefault: false,
    priority: undefined,
    timeoutMs: undefined,
    // Of a model with a memory, one that begins and ends at once.
    sequence: { id: 'warm-up', isStart: true, isEnd: true },
    isWarmUp: true,
  };
  await model.infer(call, never);
}

async function inputsOf(
  { signature }: TensorModel,
  batch: BatchShape,
  { rows = 1, inputs = {} }: WarmUpRequest,
  folder: string,
): Promise<readonly WireTensor[]> {
  const unknown = Object.keys(inputs).find((name) => !signature.inputs.some((info) => info.name === name));
  if (unknown !== undefined)
    throw new EngineError('invalid_value', `The model has no input "${unknown}".`, {
      hint: `It has: ${signature.inputs.map(({ name }) => name).join(', ')}.`,
    });
  if (batch.kind === 'none' && rows > 1)
    throw new EngineError('invalid_value', `${rows} rows, but requests of this model are not joined.`, {
      hint: 'Leave `rows` out and give the whole shape.',
    });
  const tensors: WireTensor[] = [];
  for (const info of signature.inputs) {
    const input = inputs[info.name] ?? {};
    const shape = shapeOf(info, batch, rows, input.shape);
    if (elementCount(shape) * (datatypes[info.datatype].bytes ?? 4) > mostBytes)
      throw new EngineError('invalid_value', `"${info.name}" of [${shape.join(', ')}] is larger than 1 GiB.`);
    tensors.push(await tensorOf({ ...info, shape }, rows, batch, input, folder));
  }
  return tensors;
}

function shapeOf(
  { shape }: TensorInfo,
  batch: BatchShape,
  rows: number,
  given: readonly number[] | undefined,
): readonly number[] {
  if (batch.kind === 'none') return given ?? shape.map((size) => Math.max(1, size));
  return [rows, ...(given ?? shape.slice(1).map((size) => Math.max(1, size)))];
}

/** `info.shape`: as it is computed, all rows. */
async function tensorOf(
  info: TensorInfo,
  rows: number,
  batch: BatchShape,
  { fill, seed = 0, values, file }: WarmUpInput,
  folder: string,
): Promise<WireTensor> {
  const { name, datatype, shape } = info;
  const ofRow = batch.kind === 'none' ? shape : [1, ...shape.slice(1)];
  const tensor = (bytes: Uint8Array, of: readonly number[]): WireTensor => ({
    name,
    datatype,
    shape: of,
    bytes,
  });
  /** One row as often as there are rows. */
  const allRows = (one: WireTensor): WireTensor =>
    one.shape === shape ? one : joinRows(Array.from({ length: rows }, () => one));
  if (values !== undefined) {
    const of = values.length === elementCount(shape) ? shape : ofRow;
    return allRows(tensor(encodeValues(name, datatype, of, values), of));
  }
  if (file !== undefined) {
    const bytes = await readFile(join(folder, file)).catch(() => {
      throw new EngineError('invalid_value', `"${name}" is to be read from ${file}, which is not there.`, {
        hint: 'The file lies in the model’s version, beside the model.',
      });
    });
    const size = datatypes[datatype].bytes;
    const of = size !== undefined && bytes.byteLength === elementCount(ofRow) * size ? ofRow : shape;
    checkBytes(tensor(bytes, of));
    return allRows(tensor(bytes, of));
  }
  if (fill !== 'random') return tensor(blankInput(info, { kind: 'none' }, 1).bytes, shape);
  const random = createRandom(seed);
  const isReal = datatype.startsWith('FP');
  const drawn = Array.from({ length: elementCount(shape) }, () => {
    const value = random.next();
    if (datatype === 'BYTES') return value.toString(36).slice(2);
    return isReal ? value : Math.round(value);
  });
  return tensor(encodeValues(name, datatype, shape, drawn), shape);
}
