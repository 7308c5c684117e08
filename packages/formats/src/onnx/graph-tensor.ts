/** A constant of an ONNX file (onnx.TensorProto). */
import { FormatError } from '../format-error.ts';
import type { ProtobufWriter } from './protobuf-writer.ts';
import { readIntegers, readProtobuf, readTexts, type ProtobufField } from './protobuf-reader.ts';

export interface GraphTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Undefined: not float32, or kept in a file of its own. */
  readonly values: Float32Array | undefined;
  /** Of a small int64 tensor. */
  readonly integers: readonly number[] | undefined;
  readonly raw: Uint8Array;
}

/** Small weights with their scales and zeros: what a quantised graph adds. */
export interface NewTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data:
    | Int8Array
    | Uint8Array
    | Uint16Array
    | Float16Array
    | Float32Array
    | Int32Array
    | BigInt64Array;
}

const floatType = 1;
const longType = 7;
const mostIntegers = 4_096;
/** onnx.TensorProto.DataType */
const elementTypes = {
  Float32Array: 1,
  Uint8Array: 2,
  Int8Array: 3,
  Uint16Array: 4,
  Float16Array: 10,
  Int32Array: 6,
  BigInt64Array: 7,
} as const;

export function toTensor(bytes: Uint8Array): GraphTensor {
  const fields = readProtobuf(bytes);
  const shape = readIntegers(fields, 1);
  const isHere = readIntegers(fields, 14)[0] !== 1;
  const type = readIntegers(fields, 2)[0];
  const isFloat = type === floatType;
  const name = readTexts(fields, 8)[0] ?? '';
  if (shape.some((size) => size < 0)) throw new FormatError('format_invalid', `${name} has a size below 0.`);
  return {
    name,
    shape,
    values: isHere && isFloat ? floatsOf(fields, name, shape) : undefined,
    integers: isHere && type === longType ? longsOf(fields, name, shape) : undefined,
    raw: bytes,
  };
}

/** Raw bytes, or floats packed or one by one; as many as the shape says. */
function floatsOf(fields: readonly ProtobufField[], name: string, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const pieces = fields
    .filter(({ field, wire }) => (field === 9 && wire === 2) || (field === 4 && (wire === 2 || wire === 5)))
    .map(({ bytes }) => bytes);
  const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (length !== count * 4)
    throw new FormatError('format_invalid', `${name} has ${length} bytes; its shape takes ${count * 4}.`);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return new Float32Array(whole.buffer);
}

/** Of sizes and axes; there are never many. */
function longsOf(
  fields: readonly ProtobufField[],
  name: string,
  shape: readonly number[],
): readonly number[] | undefined {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count > mostIntegers) return undefined;
  const packed = fields.find(({ field, wire }) => field === 9 && wire === 2)?.bytes;
  const view = packed && new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const listed = view === undefined ? readIntegers(fields, 7) : [];
  if ((view === undefined ? listed.length : view.byteLength / 8) !== count)
    throw new FormatError('format_invalid', `${name} does not hold the ${count} numbers of its shape.`);
  if (view === undefined) return listed;
  return Array.from({ length: count }, (_, at) => Number(view.getBigInt64(at * 8, true)));
}

export function writeNewTensor(writer: ProtobufWriter, { name, shape, data }: NewTensor): void {
  writer.packedIntegers(1, shape);
  writer.integer(2, elementTypes[data[Symbol.toStringTag]]);
  writer.text(8, name);
  writer.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
