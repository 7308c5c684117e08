/** An ONNX file with its dense layers written anew: what the schemes have in common. */
import {
  editOnnxGraph,
  readOnnxGraph,
  type GraphEdit,
  type GraphNode,
  type NewTensor,
  type OnnxNode,
} from '@gantry/formats/onnx';
import { type DenseLayer, denseLayers, needOpset } from './dense-layers.ts';

export interface QuantisedLayer {
  /** The weight's name. */
  readonly name: string;
  /** Root of the mean squared error, relative to the weights' own root mean square. */
  readonly relativeError: number;
}

export interface QuantisedOnnx {
  readonly file: Uint8Array;
  readonly layers: readonly QuantisedLayer[];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface LayerScheme {
  readonly leastOpset: number;
  readonly newOpsets?: GraphEdit['newOpsets'];
  /** Small weights of a matrix, once for all layers that use it. */
  makeWeight(layer: DenseLayer): { readonly tensors: readonly NewTensor[]; readonly relativeError: number };
  /** What must be computed of a layer's input, once for all layers that have it; tensors that it needs. */
  prepareInput?(input: string): {
    readonly nodes: readonly OnnxNode[];
    readonly tensors: readonly NewTensor[];
  };
  /** Undefined: this layer stays as it was. */
  isTaken?(layer: DenseLayer): boolean;
  toNodes(layer: DenseLayer): readonly OnnxNode[];
}

export function rewriteLayers(file: Uint8Array, scheme: LayerScheme): QuantisedOnnx {
  const graph = readOnnxGraph(file);
  needOpset(graph, scheme.leastOpset);
  const dense = denseLayers(graph);
  const layers: QuantisedLayer[] = [];
  const newTensors: NewTensor[] = [];
  const made = new Set<string>();
  const prepared = new Set<string>();
  const nodes: (GraphNode | OnnxNode)[] = [];
  for (const node of graph.nodes) {
    const layer = dense.get(node);
    if (layer === undefined || scheme.isTaken?.(layer) === false) {
      nodes.push(node);
      continue;
    }
    if (!made.has(layer.key)) {
      made.add(layer.key);
      const { tensors, relativeError } = scheme.makeWeight(layer);
      newTensors.push(...tensors);
      layers.push({ name: layer.weightName, relativeError });
    }
    if (scheme.prepareInput !== undefined && !prepared.has(layer.input)) {
      prepared.add(layer.input);
      const input = scheme.prepareInput(layer.input);
      newTensors.push(...input.tensors);
      nodes.push(...input.nodes);
    }
    nodes.push(...scheme.toNodes(layer));
  }
  const stillUsed = new Set(nodes.flatMap(({ inputs }) => inputs));
  const removedTensors = new Set(layers.map(({ name }) => name).filter((name) => !stillUsed.has(name)));
  const edited =
    layers.length === 0
      ? file
      : editOnnxGraph(file, {
          nodes,
          removedTensors,
          newTensors,
          ...(scheme.newOpsets === undefined ? {} : { newOpsets: scheme.newOpsets }),
        });
  return { file: edited, layers, bytesBefore: file.byteLength, bytesAfter: edited.byteLength };
}
