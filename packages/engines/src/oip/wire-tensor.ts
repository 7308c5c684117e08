/** A tensor as it travels: little-endian rows, texts each with its length before it (the binary extension's form). */
import { datatypes, type Datatype } from './datatypes.ts';

export interface WireTensor {
  readonly name: string;
  readonly datatype: Datatype;
  /** The first dimension counts rows. */
  readonly shape: readonly number[];
  /** Row-major, as many as type and shape say. */
  readonly bytes: Uint8Array;
  /**
   * Nobody else reads the bytes, and they are all of their buffer: whoever computes with the tensor may hand the
   * buffer to its thread instead of copying it. Whoever keeps the tensor, or gives it to two, takes this off.
   */
  readonly isOwned?: boolean;
}

/** 1 for a shape of no dimensions, which is a single value. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of one row along the first dimension; undefined for texts, whose rows differ. */
export function rowBytes({ datatype, shape }: Pick<WireTensor, 'datatype' | 'shape'>): number | undefined {
  const size = datatypes[datatype].bytes;
  return size === undefined ? undefined : size * elementCount(shape.slice(1));
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Where each text starts and ends; undefined when the lengths do not add up to the bytes. */
export function textBounds(bytes: Uint8Array, count: number): readonly number[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bounds = [0];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    if (offset + 4 > bytes.byteLength) return undefined;
    offset += 4 + view.getUint32(offset, true);
    if (offset > bytes.byteLength) return undefined;
    bounds.push(offset);
  }
  return offset === bytes.byteLength ? bounds : undefined;
}

/** The texts of a tensor whose bounds are known to be right. */
export function decodeTexts(bytes: Uint8Array, count: number): readonly string[] {
  const bounds = textBounds(bytes, count) ?? [];
  return bounds
    .slice(1)
    .map((end, index) => decoder.decode(bytes.subarray((bounds[index] as number) + 4, end)));
}

/** Each text in UTF-8 behind its length in bytes (4 bytes, little-endian). */
export function encodeTexts(texts: readonly string[]): Uint8Array {
  const parts = texts.map((text) => encoder.encode(text));
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + 4 + byteLength, 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const part of parts) {
    view.setUint32(offset, part.byteLength, true);
    bytes.set(part, offset + 4);
    offset += 4 + part.byteLength;
  }
  return bytes;
}

/** Rows of several tensors behind each other; all of one type and of one shape but for the first dimension. */
export function joinRows(tensors: readonly WireTensor[], padRows = 0): WireTensor {
  const first = tensors[0] as WireTensor;
  const rows = tensors.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0) + padRows;
  const shape = [rows, ...first.shape.slice(1)];
  if (tensors.length === 1 && padRows === 0) return first;
  const size = rowBytes(first);
  // A text of no length is four zero bytes, so padding is zeros for every type.
  const padding = padRows * (size ?? 4 * elementCount(first.shape.slice(1)));
  const bytes = new Uint8Array(tensors.reduce((sum, one) => sum + one.bytes.byteLength, padding));
  let offset = 0;
  for (const one of tensors) {
    bytes.set(one.bytes, offset);
    offset += one.bytes.byteLength;
  }
  return { ...first, shape, bytes, isOwned: true };
}

/** The rows `from … from + count` of a tensor, without a copy. */
export function sliceRows(tensor: WireTensor, from: number, count: number): WireTensor {
  const { shape, bytes } = tensor;
  if (from === 0 && count === shape[0]) return tensor;
  const rest = elementCount(shape.slice(1));
  const size = rowBytes(tensor);
  const bounds = size === undefined ? (textBounds(bytes, elementCount(shape)) ?? []) : undefined;
  const at = (row: number): number =>
    bounds === undefined ? row * (size as number) : (bounds[row * rest] as number);
  return {
    ...tensor,
    shape: [count, ...shape.slice(1)],
    bytes: bytes.subarray(at(from), at(from + count)),
    isOwned: false,
  };
}
