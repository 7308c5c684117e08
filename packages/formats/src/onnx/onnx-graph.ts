/**
 * The parts of an ONNX file that a conversion looks at or replaces; everything else stays as it was. Field numbers
 * are those of onnx/onnx.proto.
 */
import { FormatError } from '../format-error.ts';
import { writeNode, type OnnxNode } from './onnx-model.ts';
import { createProtobufWriter } from './protobuf-writer.ts';
import { type GraphNode, toNode } from './graph-node.ts';
import { type GraphTensor, type NewTensor, toTensor, writeNewTensor } from './graph-tensor.ts';
import { readIntegers, readProtobuf, readTexts, type ProtobufField } from './protobuf-reader.ts';

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

export function readOnnxGraph(file: Uint8Array): OnnxGraph {
  const fields = readProtobuf(file);
  const content = graphOf(fields);
  return {
    opset: Math.max(0, ...fields.filter(({ field }) => field === model.opset).map(standardOpset)),
    nodes: content.filter(({ field }) => field === graph.node).map(({ bytes }) => toNode(bytes)),
    tensors: content.filter(({ field }) => field === graph.initializer).map(({ bytes }) => toTensor(bytes)),
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
      !(one.field === graph.initializer && edit.removedTensors.has(toTensor(one.bytes).name)),
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
