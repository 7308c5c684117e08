/** What an ONNX model takes and gives: names, element types and shapes, as its file says (onnx.proto: ValueInfoProto). */
import { FormatError } from '../format-error.ts';
import { readProtobuf, type ProtobufField } from './protobuf-reader.ts';

export interface OnnxValue {
  readonly name: string;
  /** TensorProto.DataType: 1 is float32, 7 is int64. */
  readonly elementType: number;
  /** A size that each run chooses is its name, or `?` where it has none. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxSignature {
  /** Without those that have a value in the file. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const graph = { initializer: 5, input: 11, output: 12 } as const;
const text = new TextDecoder();

export function readOnnxSignature(file: Uint8Array): OnnxSignature {
  const [content] = inner(readProtobuf(file), 7);
  if (content === undefined) throw new FormatError('format_invalid', 'The file holds no ONNX graph.');
  const given = new Set(inner(content, graph.initializer).map((tensor) => nameOf(tensor, 8)));
  return {
    inputs: inner(content, graph.input)
      .map(toValue)
      .filter(({ name }) => !given.has(name)),
    outputs: inner(content, graph.output).map(toValue),
  };
}

function toValue(fields: readonly ProtobufField[]): OnnxValue {
  const [tensor = []] = inner(fields, 2).flatMap((type) => inner(type, 1));
  const elementType = Number(tensor.find(({ field, wire }) => field === 1 && wire === 0)?.value ?? 0n);
  const [shape = []] = inner(tensor, 2);
  return { name: nameOf(fields, 1), elementType, shape: inner(shape, 1).map(toSize) };
}

function toSize(dimension: readonly ProtobufField[]): number | string {
  const fixed = dimension.find(({ field, wire }) => field === 1 && wire === 0)?.value;
  return fixed === undefined || fixed === 0n ? nameOf(dimension, 2) || '?' : Number(fixed);
}

const inner = (fields: readonly ProtobufField[], wanted: number): ProtobufField[][] =>
  fields.filter(({ field, wire }) => field === wanted && wire === 2).map(({ bytes }) => readProtobuf(bytes));

const nameOf = (fields: readonly ProtobufField[], wanted: number): string =>
  text.decode(fields.find(({ field, wire }) => field === wanted && wire === 2)?.bytes);
