/** A node of an ONNX file (onnx.NodeProto): what conversions look at, with its bytes as they were. */
import { writeNode, type OnnxNode } from './onnx-model.ts';
import { type GraphTensor, toTensor } from './graph-tensor.ts';
import { createProtobufWriter } from './protobuf-writer.ts';
import { readIntegers, readProtobuf, readTexts, type ProtobufField } from './protobuf-reader.ts';

export interface GraphNode {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole-number and decimal attributes by name. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly lists: Readonly<Record<string, readonly number[]>>;
  /** Of a Constant. */
  readonly tensor: GraphTensor | undefined;
  /** It holds graphs of its own, which may use names of this one. */
  readonly isNested: boolean;
  readonly raw: Uint8Array;
}

const parts = { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7 } as const;
/** onnx.AttributeProto */
const value = { name: 1, float: 2, int: 3, tensor: 5, graph: 6, ints: 8, graphs: 11 } as const;

export function toNode(bytes: Uint8Array): GraphNode {
  const fields = readProtobuf(bytes);
  const attributes = fields
    .filter(({ field, wire }) => field === parts.attribute && wire === 2)
    .map((each) => readProtobuf(each.bytes));
  const held = attributes.flatMap((each) => each.filter(({ field }) => field === value.tensor));
  return {
    operator: readTexts(fields, parts.operator)[0] ?? '',
    domain: readTexts(fields, parts.domain)[0] ?? '',
    inputs: readTexts(fields, parts.input),
    outputs: readTexts(fields, parts.output),
    numbers: Object.fromEntries(attributes.flatMap(numberAttribute)),
    lists: Object.fromEntries(
      attributes.flatMap((each) => {
        const list = readIntegers(each, value.ints);
        return list.length === 0 ? [] : [[readTexts(each, value.name)[0] ?? '', list]];
      }),
    ),
    tensor: held[0] === undefined ? undefined : toTensor(held[0].bytes),
    isNested: attributes.some((each) =>
      each.some(({ field }) => field === value.graph || field === value.graphs),
    ),
    raw: bytes,
  };
}

/** A new node as if it had been in a file. */
export function graphNode(node: OnnxNode): GraphNode {
  const writer = createProtobufWriter();
  writeNode(writer, node);
  return toNode(writer.finish());
}

/** The node with other ends, or of another operator; its attributes stay as they were. */
export function reviseNode(
  node: GraphNode,
  change: Partial<Pick<GraphNode, 'operator' | 'domain' | 'inputs' | 'outputs'>>,
): GraphNode {
  const revised = { ...node, ...change };
  const writer = createProtobufWriter();
  for (const input of revised.inputs) writer.text(parts.input, input);
  for (const output of revised.outputs) writer.text(parts.output, output);
  writer.text(parts.operator, revised.operator);
  for (const { field, raw } of readProtobuf(node.raw)) if (field === parts.attribute) writer.raw(raw);
  if (revised.domain !== '') writer.text(parts.domain, revised.domain);
  return { ...revised, raw: writer.finish() };
}

function numberAttribute(fields: readonly ProtobufField[]): [string, number][] {
  const [name] = readTexts(fields, value.name);
  const decimal = fields.find(({ field, wire }) => field === value.float && wire === 5)?.bytes;
  const whole = fields.find(({ field, wire }) => field === value.int && wire === 0);
  if (name === undefined) return [];
  if (decimal !== undefined)
    return [[name, new DataView(decimal.buffer, decimal.byteOffset, 4).getFloat32(0, true)]];
  return whole === undefined ? [] : [[name, readIntegers([whole], value.int)[0] ?? 0]];
}
