/**
 * An ONNX model as plain data, and its bytes. Field numbers are those of onnx/onnx.proto (IR version 10).
 * Only what our own graphs use: float and int64 tensors, an empty sequence as output.
 */
import { createProtobufWriter, type ProtobufWriter } from './protobuf-writer.ts';

export type OnnxElementType = 'float32' | 'int64' | 'bool' | 'uint8';

export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | OnnxLateData | OnnxExternalData;
}

/** Floats that are made when they are written, one tensor after the other. */
export interface OnnxLateData {
  readonly bytes: number;
  make(): Float32Array;
  /** The same in pieces, of a tensor that may be too large to be there at once. */
  strips?(): Iterable<Float32Array>;
}

/** Numbers that lie in a file beside the model's, little-endian; ONNX Runtime maps them into memory. */
export interface OnnxExternalData {
  readonly type: 'float32' | 'float16' | 'bfloat16';
  /** Relative to the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly bytes: number;
}

export type OnnxAttribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string };

export interface OnnxNode {
  readonly operator: string;
  /** '' is the standard operator set. */
  readonly domain: string;
  /** An empty name leaves out an optional input or output. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxValueInfo {
  readonly name: string;
  readonly type: OnnxElementType | 'sequence';
  /** A name is a size that each run chooses. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly name: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

const elementTypeIds = { float32: 1, int64: 7, bool: 9, uint8: 2 } as const satisfies Record<
  OnnxElementType,
  number
>;
const externalTypeIds = { float32: 1, float16: 10, bfloat16: 16 } as const;
const attributeTypeIds = { float: 1, int: 2, text: 3, ints: 7 } as const;

export function encodeOnnxModel(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const writer = createProtobufWriter();
  writer.integer(1, 10);
  writer.text(2, 'gantry');
  writer.message(7, (graph) => {
    for (const node of model.nodes) graph.message(1, (message) => writeNode(message, node));
    graph.text(2, model.name);
    for (const tensor of model.initializers) graph.message(5, (message) => writeTensor(message, tensor));
    for (const input of model.inputs) graph.message(11, (message) => writeValueInfo(message, input));
    for (const output of model.outputs) graph.message(12, (message) => writeValueInfo(message, output));
  });
  for (const [domain, version] of Object.entries(model.opsets)) {
    writer.message(8, (opset) => {
      opset.text(1, domain);
      opset.integer(2, version);
    });
  }
  return writer.finish();
}

export function writeNode(writer: ProtobufWriter, node: OnnxNode): void {
  for (const input of node.inputs) writer.text(1, input);
  for (const output of node.outputs) writer.text(2, output);
  writer.text(4, node.operator);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    writer.message(5, (message) => {
      message.text(1, name);
      writeAttribute(message, attribute);
    });
  }
  if (node.domain !== '') writer.text(7, node.domain);
}

function writeAttribute(writer: ProtobufWriter, attribute: OnnxAttribute): void {
  if ('float' in attribute) {
    writer.float(2, attribute.float);
    writer.integer(20, attributeTypeIds.float);
  } else if ('int' in attribute) {
    writer.integer(3, attribute.int);
    writer.integer(20, attributeTypeIds.int);
  } else if ('ints' in attribute) {
    for (const value of attribute.ints) writer.integer(8, value);
    writer.integer(20, attributeTypeIds.ints);
  } else {
    writer.text(4, attribute.text);
    writer.integer(20, attributeTypeIds.text);
  }
}

function writeTensor(writer: ProtobufWriter, { name, shape, data }: OnnxTensor): void {
  writer.packedIntegers(1, shape);
  writer.integer(
    2,
    'location' in data
      ? externalTypeIds[data.type]
      : elementTypeIds[data instanceof BigInt64Array ? 'int64' : 'float32'],
  );
  writer.text(8, name);
  if ('location' in data) {
    const places = { location: data.location, offset: String(data.offset), length: String(data.bytes) };
    for (const [key, value] of Object.entries(places))
      writer.message(13, (entry) => {
        entry.text(1, key);
        entry.text(2, value);
      });
    writer.integer(14, 1);
    return;
  }
  const values = 'make' in data ? data.make() : data;
  writer.bytes(9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

function writeValueInfo(writer: ProtobufWriter, info: OnnxValueInfo): void {
  const { type } = info;
  writer.text(1, info.name);
  writer.message(2, (message) => {
    if (type === 'sequence') {
      message.message(4, (sequence) => sequence.message(1, (element) => writeTensorType(element, 'float32')));
    } else {
      writeTensorType(message, type, info.shape);
    }
  });
}

function writeTensorType(
  writer: ProtobufWriter,
  type: OnnxElementType,
  shape?: OnnxValueInfo['shape'],
): void {
  writer.message(1, (tensor) => {
    tensor.integer(1, elementTypeIds[type]);
    if (shape === undefined) return;
    tensor.message(2, (dimensions) => {
      for (const size of shape)
        dimensions.message(1, (dimension) => {
          if (typeof size === 'string') dimension.text(2, size);
          else dimension.integer(1, size);
        });
    });
  });
}
