/**
 * Inputs of variable length filled up with zeros to the next of a few lengths, so that requests which differ a little
 * share a batch; answers are cut back. Right for models that are told what is padding (an attention mask of zeros) or
 * whose cells do not look at each other. A model that takes one length only is served at any up to it the same way.
 */
import { EngineError } from '../engine-error.ts';
import { datatypes } from '../oip/datatypes.ts';
import type { InferCall } from '../oip/parse-infer.ts';
import { elementCount, type WireTensor } from '../oip/wire-tensor.ts';
import type { TensorModel } from './tensor-model.ts';
import type { TensorInfo, TensorSignature } from './tensor-signature.ts';

export interface BucketOptions {
  /** The lengths, rising. */
  readonly lengths: readonly number[];
  /** The dimension that varies; default 1. */
  readonly axis?: number;
  /** What is longer than the last of them: computed as it is (default), cut, or refused. */
  readonly overlong?: 'keep' | 'truncate' | 'refuse';
}

export class BucketedModel implements TensorModel {
  readonly signature: TensorSignature;
  readonly #model: TensorModel;
  readonly #lengths: readonly number[];
  readonly #axis: number;
  readonly #overlong: NonNullable<BucketOptions['overlong']>;
  /** The one length that the model takes, where it leaves none open and this is ours. */
  readonly #fixed: number | undefined;
  readonly #counts = { cells: 0, paddedCells: 0, truncated: 0, truncatedCells: 0 };

  constructor(model: TensorModel, { lengths, axis = 1, overlong = 'keep' }: BucketOptions) {
    this.#model = model;
    this.#lengths = lengths.toSorted((one, other) => one - other);
    this.#axis = axis;
    this.#overlong = overlong;
    const open = (infos: readonly TensorInfo[]): TensorInfo[] =>
      infos.map((info) =>
        this.#varies(info)
          ? { ...info, shape: info.shape.map((size, at) => (at === axis ? -1 : size)) }
          : info,
      );
    const { inputs, outputs } = model.signature;
    const sizes = inputs.map(({ shape }) => shape[axis]);
    const [only] = lengths;
    this.#fixed = !sizes.includes(-1) && lengths.length === 1 && sizes.includes(only) ? only : undefined;
    this.signature = { inputs: open(inputs), outputs: open(outputs) };
  }

  async infer(call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]> {
    const axis = this.#axis;
    const { inputs: infos, outputs: given } = this.#model.signature;
    const varying = call.inputs.filter((tensor) => this.#isOf(infos, tensor));
    const length = Math.max(0, ...varying.map(({ shape }) => shape[axis] as number));
    // Inputs whose lengths differ have a meaning of their own; the model says whether they fit each other.
    const isOne = varying.every(({ shape }) => shape[axis] === length);
    const target = this.#targetOf(length);
    if (target === undefined || !isOne || varying.length === 0) return this.#model.infer(call, signal);
    if (call.isWarmUp !== true) this.#count(length, target);
    const inputs = call.inputs.map((tensor) =>
      varying.includes(tensor) ? withLength(tensor, axis, target) : tensor,
    );
    const outputs = await this.#model.infer({ ...call, inputs }, signal);
    return outputs.map((tensor) =>
      this.#isOf(given, tensor) && tensor.shape[axis] === target
        ? withLength(tensor, axis, Math.min(length, target))
        : tensor,
    );
  }

  /** Undefined where the model gets it as it is. */
  #targetOf(length: number): number | undefined {
    const found = this.#lengths.find((each) => each >= length);
    if (found !== undefined) return found;
    const longest = this.#lengths.at(-1) as number;
    if (this.#overlong === 'truncate') return longest;
    if (this.#overlong === 'keep' && this.#fixed === undefined) return undefined;
    throw new EngineError(
      'invalid_value',
      `A length of ${length} is more than the ${longest} that are taken.`,
      { param: 'inputs', hint: 'Send less, or let the endpoint cut it: batching.overlong: truncate.' },
    );
  }

  #count(length: number, target: number): void {
    this.#counts.cells += Math.min(length, target);
    this.#counts.paddedCells += Math.max(0, target - length);
    if (length <= target) return;
    this.#counts.truncated += 1;
    this.#counts.truncatedCells += length - target;
  }

  stats(): object {
    const { cells, paddedCells, truncated, truncatedCells } = this.#counts;
    /** Of all cells along the dimension, how many were padding. */
    const lengthWaste = paddedCells === 0 ? 0 : paddedCells / (cells + paddedCells);
    return { ...this.#model.stats(), lengthWaste, truncated, truncatedCells };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model[Symbol.asyncDispose]();
  }

  /** Texts have no cell that could be filled. */
  #varies({ shape, datatype }: TensorInfo): boolean {
    return shape[this.#axis] === (this.#fixed ?? -1) && datatypes[datatype].bytes !== undefined;
  }

  #isOf(infos: readonly TensorInfo[], { name }: WireTensor): boolean {
    const info = infos.find((each) => each.name === name);
    return info !== undefined && this.#varies(info);
  }
}

/** The tensor with another size along `axis`: cut, or filled with zeros. */
function withLength(tensor: WireTensor, axis: number, length: number): WireTensor {
  const { shape, bytes, datatype } = tensor;
  const own = shape[axis] as number;
  if (own === length) return tensor;
  const cell = elementCount(shape.slice(axis + 1)) * (datatypes[datatype].bytes as number);
  const rows = elementCount(shape.slice(0, axis));
  const result = new Uint8Array(rows * length * cell);
  const kept = Math.min(own, length) * cell;
  for (let row = 0; row < rows; row++)
    result.set(bytes.subarray(row * own * cell, row * own * cell + kept), row * length * cell);
  return { ...tensor, shape: shape.map((size, at) => (at === axis ? length : size)), bytes: result };
}
