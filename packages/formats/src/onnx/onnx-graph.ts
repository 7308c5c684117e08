/**
 * The parts of an ONNX file that a conversion looks at or replaces; everything else stays as it was. Field numbers
 * are those of onnx/onnx.proto.
 */
import { FormatError } from '../format-error.ts';
import { writeNode, type OnnxNode } from './onnx-model.ts';
import { createProtobufWriter, type ProtobufWriter } from './protobuf-writer.ts';
import { readIntegers, readProtobuf, readTexts, type ProtobufField } from './protobuf-reader.ts';

export interface GraphNode {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole-number and decimal attributes by name; others are not looked into. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly raw: Uint8Array;
}

export interface GraphTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Undefined: not float32, or kept in a file of its own. */
  readonly values: Float32Array | undefined;
  readonly raw: Uint8Array;
}

/** Small weights with their scales and zeros: what a quantised graph adds. */
export interface NewTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Int8Array | Uint8Array | Uint16Array | Float16Array | Float32Array;
}

export interface OnnxGraph {
  /** Of the standard operators; 0 when the file does not say. */
  readonly opset: number;
  readonly nodes: readonly GraphNode[];
  readonly tensors: readonly GraphTensor[];
  /** Names of what it gives out. */
  readonly outputs: readonly string[];
}

const model = { opset: 8, graph: 7 } as const;
const graph = { node: 1, initializer: 5, output: 12 } as const;
const floatType = 1;
/** onnx.TensorProto.DataType */
const elementTypes = {
  Float32Array: 1,
  Uint8Array: 2,
  Int8Array: 3,
  Uint16Array: 4,
  Float16Array: 10,
} as const;

export function readOnnxGraph(file: Uint8Array): OnnxGraph {
  const fields = readProtobuf(file);
  const content = graphOf(fields);
  return {
    opset: Math.max(0, ...fields.filter(({ field }) => field === model.opset).map(standardOpset)),
    nodes: content.filter(({ field }) => field === graph.node).map(toNode),
    tensors: content.filter(({ field }) => field === graph.initializer).map(toTensor),
    outputs: content
      .filter(({ field, wire }) => field === graph.output && wire === 2)
      .map(({ bytes }) => readTexts(readProtobuf(bytes), 1)[0] ?? ''),
  };
}

export interface GraphEdit {
  /** In order; a node of the file stays as it was. */
  readonly nodes: readonly (GraphNode | OnnxNode)[];
  readonly removedTensors: ReadonlySet<string>;
  readonly newTensors: readonly NewTensor[];
  /** Operator sets that the new nodes need beside those of the file. */
  readonly newOpsets?: Readonly<Record<string, number>>;
  /** Inner values that the graph gives out too, of float32 and any shape. */
  readonly newOutputs?: readonly string[];
}

export function editOnnxGraph(file: Uint8Array, edit: GraphEdit): Uint8Array {
  const fields = readProtobuf(file);
  const content = graphOf(fields);
  const kept = content.filter(
    (one) =>
      one.field !== graph.node &&
      !(one.field === graph.initializer && edit.removedTensors.has(toTensor(one).name)),
  );
  const writer = createProtobufWriter();
  for (const field of fields) {
    if (field.field !== model.graph) {
      writer.raw(field.raw);
      continue;
    }
    writer.message(model.graph, (inner) => {
      for (const node of edit.nodes)
        if ('raw' in node) inner.bytes(graph.node, node.raw);
        else inner.message(graph.node, (message) => writeNode(message, node));
      for (const one of kept) inner.raw(one.raw);
      for (const tensor of edit.newTensors)
        inner.message(graph.initializer, (message) => writeNewTensor(message, tensor));
      for (const name of edit.newOutputs ?? [])
        inner.message(graph.output, (message) => {
          message.text(1, name);
          message.message(2, (type) => type.message(1, (tensor) => tensor.integer(1, floatType)));
        });
    });
  }
  for (const [domain, version] of Object.entries(edit.newOpsets ?? {}))
    if (!fields.some(({ field, bytes }) => field === model.opset && domainOf(bytes) === domain))
      writer.message(model.opset, (opset) => {
        opset.text(1, domain);
        opset.integer(2, version);
      });
  return writer.finish();
}

function graphOf(fields: readonly ProtobufField[]): ProtobufField[] {
  const found = fields.filter(({ field, wire }) => field === model.graph && wire === 2);
  if (found.length !== 1 || found[0] === undefined)
    throw new FormatError('format_invalid', 'The file holds no ONNX graph.', 'Is it an ONNX file?');
  return readProtobuf(found[0].bytes);
}

const domainOf = (opset: Uint8Array): string => readTexts(readProtobuf(opset), 1)[0] ?? '';

function standardOpset({ bytes }: ProtobufField): number {
  const fields = readProtobuf(bytes);
  const domain = domainOf(bytes);
  return domain === '' || domain === 'ai.onnx' ? (readIntegers(fields, 2)[0] ?? 0) : 0;
}

function toNode({ bytes }: ProtobufField): GraphNode {
  const fields = readProtobuf(bytes);
  return {
    operator: readTexts(fields, 4)[0] ?? '',
    domain: readTexts(fields, 7)[0] ?? '',
    inputs: readTexts(fields, 1),
    outputs: readTexts(fields, 2),
    numbers: Object.fromEntries(fields.filter(({ field }) => field === 5).flatMap(numberAttribute)),
    raw: bytes,
  };
}

function numberAttribute({ bytes }: ProtobufField): [string, number][] {
  const fields = readProtobuf(bytes);
  const [name] = readTexts(fields, 1);
  const decimal = fields.find(({ field, wire }) => field === 2 && wire === 5)?.bytes;
  const whole = fields.find(({ field, wire }) => field === 3 && wire === 0);
  if (name === undefined) return [];
  if (decimal !== undefined)
    return [[name, new DataView(decimal.buffer, decimal.byteOffset, 4).getFloat32(0, true)]];
  return whole === undefined ? [] : [[name, readIntegers([whole], 3)[0] ?? 0]];
}

function toTensor({ bytes }: ProtobufField): GraphTensor {
  const fields = readProtobuf(bytes);
  const shape = readIntegers(fields, 1);
  const isHere = readIntegers(fields, 14)[0] !== 1;
  const isFloat = readIntegers(fields, 2)[0] === floatType;
  const name = readTexts(fields, 8)[0] ?? '';
  return { name, shape, values: isHere && isFloat ? floatsOf(fields, name, shape) : undefined, raw: bytes };
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

function writeNewTensor(writer: ProtobufWriter, { name, shape, data }: NewTensor): void {
  writer.packedIntegers(1, shape);
  writer.integer(2, elementTypes[data[Symbol.toStringTag]]);
  writer.text(8, name);
  writer.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
