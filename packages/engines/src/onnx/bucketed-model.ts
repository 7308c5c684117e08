/**
 * Inputs of variable length filled up with zeros to the next of a few lengths, so that requests which differ a little
 * share a batch; answers are cut back. Right for models that are told what is padding (an attention mask of zeros) or
 * whose cells do not look at each other.
 */
import { datatypes } from '../oip/datatypes.ts';
import type { InferCall } from '../oip/parse-infer.ts';
import { elementCount, type WireTensor } from '../oip/wire-tensor.ts';
import type { TensorModel } from './tensor-model.ts';
import type { TensorInfo } from './tensor-signature.ts';

export interface BucketOptions {
  /** The lengths, rising; what is longer than the last stays as it is. */
  readonly lengths: readonly number[];
  /** The dimension that varies; default 1. */
  readonly axis?: number;
}

export class BucketedModel implements TensorModel {
  readonly #model: TensorModel;
  readonly #lengths: readonly number[];
  readonly #axis: number;
  readonly #counts = { cells: 0, paddedCells: 0 };

  constructor(model: TensorModel, { lengths, axis = 1 }: BucketOptions) {
    this.#model = model;
    this.#lengths = lengths.toSorted((one, other) => one - other);
    this.#axis = axis;
  }

  get signature(): TensorModel['signature'] {
    return this.#model.signature;
  }

  async infer(call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]> {
    const axis = this.#axis;
    const varying = call.inputs.filter((tensor) => this.#varies(this.signature.inputs, tensor));
    const length = Math.max(0, ...varying.map(({ shape }) => shape[axis] as number));
    const filled = this.#lengths.find((each) => each >= length);
    // Inputs whose lengths differ have a meaning of their own; the model says whether they fit each other.
    const isOne = varying.every(({ shape }) => shape[axis] === length);
    if (filled === undefined || !isOne || varying.length === 0) return this.#model.infer(call, signal);
    if (call.isWarmUp !== true) {
      this.#counts.cells += length;
      this.#counts.paddedCells += filled - length;
    }
    const inputs = call.inputs.map((tensor) =>
      varying.includes(tensor) ? withLength(tensor, axis, filled) : tensor,
    );
    const outputs = await this.#model.infer({ ...call, inputs }, signal);
    return outputs.map((tensor) =>
      this.#varies(this.signature.outputs, tensor) && tensor.shape[axis] === filled
        ? withLength(tensor, axis, length)
        : tensor,
    );
  }

  stats(): object {
    const { cells, paddedCells } = this.#counts;
    /** Of all cells along the dimension, how many were padding. */
    const lengthWaste = paddedCells === 0 ? 0 : paddedCells / (cells + paddedCells);
    return { ...this.#model.stats(), lengthWaste };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model[Symbol.asyncDispose]();
  }

  /** Texts have no cell that could be filled. */
  #varies(infos: readonly TensorInfo[], { name, datatype }: WireTensor): boolean {
    const info = infos.find((each) => each.name === name);
    return info?.shape[this.#axis] === -1 && datatypes[datatype].bytes !== undefined;
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
