/** What a tensor model takes and gives, and how its requests may be joined. Pure. */
import { EngineError } from '../engine-error.ts';
import { datatypes, type Datatype } from '../oip/datatypes.ts';
import { elementCount, type WireTensor } from '../oip/wire-tensor.ts';

export interface TensorInfo {
  readonly name: string;
  readonly datatype: Datatype;
  /** -1 for a size that the request chooses, as the Open Inference Protocol writes it. */
  readonly shape: readonly number[];
}

export interface TensorSignature {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

export type BatchShape =
  /** The first dimension of everything is free: requests are joined along it. */
  | { readonly kind: 'free' }
  /** It is always this size: requests are joined and the rest is padding. */
  | { readonly kind: 'fixed'; readonly rows: number }
  /** It means something else: one request a run. */
  | { readonly kind: 'none' };

/** `isDeclared`: the user said that the first dimension is a batch, so a fixed one is too. */
export function batchShapeOf({ inputs, outputs }: TensorSignature, isDeclared: boolean): BatchShape {
  const firsts = new Set([...inputs, ...outputs].map(({ shape }) => shape[0]));
  const [first, ...others] = firsts;
  if (first === undefined || others.length > 0) return { kind: 'none' };
  if (first === -1) return { kind: 'free' };
  return isDeclared && first > 1 ? { kind: 'fixed', rows: first } : { kind: 'none' };
}

/** Rows that the call adds to a batch. Throws when its tensors are not what the model takes. */
export function checkInputs(
  signature: TensorSignature,
  batch: BatchShape,
  inputs: readonly WireTensor[],
): number {
  const byName = new Map(inputs.map((tensor) => [tensor.name, tensor]));
  if (byName.size !== inputs.length) throw bad('inputs', 'Two inputs have the same name.');
  const unknown = inputs.find(({ name }) => !signature.inputs.some((info) => info.name === name));
  if (unknown !== undefined)
    throw bad(unknown.name, `The model has no input "${unknown.name}".`, namesOf(signature.inputs));
  let rows: number | undefined;
  for (const info of signature.inputs) {
    const tensor = byName.get(info.name);
    if (tensor === undefined) throw bad(info.name, `The input "${info.name}" is missing.`);
    if (tensor.datatype !== info.datatype)
      throw bad(info.name, `"${info.name}" is ${info.datatype}, not ${tensor.datatype}.`);
    const expected = batch.kind === 'fixed' ? [-1, ...info.shape.slice(1)] : info.shape;
    const fits =
      expected.length === tensor.shape.length &&
      expected.every((size, axis) => size === -1 || size === tensor.shape[axis]);
    if (!fits) {
      throw bad(
        info.name,
        `"${info.name}" has shape [${tensor.shape.join(', ')}]; the model takes [${expected.join(', ')}].`,
      );
    }
    if (batch.kind === 'none') continue;
    if (rows !== undefined && rows !== tensor.shape[0])
      throw bad(info.name, 'All inputs have the same number of rows.');
    rows = tensor.shape[0];
  }
  if (rows === 0) throw bad('inputs', 'There is no row to compute.');
  return rows ?? 1;
}

export function checkOutputs(
  { outputs }: TensorSignature,
  wanted: readonly { readonly name: string }[],
): void {
  for (const { name } of wanted)
    if (!outputs.some((info) => info.name === name))
      throw bad(name, `The model has no output "${name}".`, namesOf(outputs));
}

/** Only requests of one shape (but for the rows) run together. */
export function shapeKey(inputs: readonly WireTensor[]): string {
  return inputs
    .map(({ name, shape }) => `${name}:${shape.slice(1).join('x')}`)
    .sort()
    .join(';');
}

/** Zeros that the model takes; sizes that a request would choose are 1, the rows `rows`. */
export function blankInput(
  { name, datatype, shape }: TensorInfo,
  batch: BatchShape,
  rows: number,
): WireTensor {
  const filled = shape.map((size, axis) =>
    axis === 0 && batch.kind !== 'none' ? rows : size === -1 ? 1 : size,
  );
  return { name, datatype, shape: filled, bytes: blankBytes(datatype, filled) };
}

function blankBytes(datatype: Datatype, shape: readonly number[]): Uint8Array {
  // A text of no length is the four bytes of its length.
  return new Uint8Array(elementCount(shape) * (datatypes[datatype].bytes ?? 4));
}

const namesOf = (infos: readonly TensorInfo[]): string =>
  `It has: ${infos.map(({ name }) => name).join(', ')}.`;

function bad(param: string, message: string, hint?: string): EngineError {
  return new EngineError('invalid_value', message, { param, ...(hint === undefined ? {} : { hint }) });
}
