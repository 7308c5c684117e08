/** An ONNX file with its heavy layers written anew: what the schemes have in common. */
import {
  editOnnxGraph,
  readOnnxGraph,
  type GraphNode,
  type NewTensor,
  type OnnxGraph,
  type OnnxNode,
} from '@gantry/formats/onnx';
import { type CleanUp, cleanGraph } from './clean-graph.ts';
import { type ConvLayer, convLayers } from './conv-layers.ts';
import { type DenseLayer, denseLayers, needOpset } from './dense-layers.ts';
import { type LstmLayer, lstmLayers } from './lstm-layers.ts';

export interface QuantisedLayer {
  /** The weight's name. */
  readonly name: string;
  /** Root of the mean squared error, relative to the weights' own root mean square. */
  readonly relativeError: number;
}

export interface QuantisedOnnx {
  readonly file: Uint8Array;
  readonly layers: readonly QuantisedLayer[];
  /** What was made simpler before. */
  readonly cleanUps: readonly CleanUp[];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface LayerRule<Layer> {
  /** Small weights of a layer, once for all layers that use them. */
  makeWeight(layer: Layer): { readonly tensors: readonly NewTensor[]; readonly relativeError: number };
  toNodes(layer: Layer): readonly (OnnxNode | GraphNode)[];
  /** What this layer needs for itself. */
  ownTensors?(layer: Layer): readonly NewTensor[];
  /** Its input is prepared. */
  readonly isInputPrepared?: boolean;
}

interface Layers {
  readonly dense: DenseLayer;
  readonly conv: ConvLayer;
  readonly lstm: LstmLayer;
}
type AnyLayer = Layers[keyof Layers];

export interface LayerScheme {
  readonly leastOpset: number;
  /** Kinds without a rule stay as they were. */
  readonly rules: { readonly [Kind in keyof Layers]?: LayerRule<Layers[Kind]> };
  /** What must be computed of a layer's input, once for all layers that have it; tensors that it needs. */
  prepareInput?(input: string): {
    readonly nodes: readonly OnnxNode[];
    readonly tensors: readonly NewTensor[];
  };
  /** This layer changes. */
  isTaken?(layer: AnyLayer): boolean;
}

export const heavyLayers = (graph: OnnxGraph): ReadonlyMap<GraphNode, AnyLayer> =>
  new Map<GraphNode, AnyLayer>([...denseLayers(graph), ...convLayers(graph), ...lstmLayers(graph)]);

export function rewriteLayers(original: Uint8Array, scheme: LayerScheme): QuantisedOnnx {
  const { file, cleanUps } = cleanGraph(original);
  const graph = readOnnxGraph(file);
  needOpset(graph, scheme.leastOpset);
  const heavy = heavyLayers(graph);
  const layers: QuantisedLayer[] = [];
  const replaced = new Set<string>();
  const newTensors: NewTensor[] = [];
  const made = new Set<string>();
  const prepared = new Set<string>();
  const nodes: (GraphNode | OnnxNode)[] = [];
  for (const node of graph.nodes) {
    const layer = heavy.get(node);
    const rule: LayerRule<AnyLayer> | undefined = layer && scheme.rules[layer.kind];
    if (layer === undefined || rule === undefined || scheme.isTaken?.(layer) === false) {
      nodes.push(node);
      continue;
    }
    if (!made.has(layer.key)) {
      made.add(layer.key);
      const { tensors, relativeError } = rule.makeWeight(layer);
      newTensors.push(...tensors);
      layers.push({ name: layer.weightName, relativeError });
    }
    for (const name of node.inputs) replaced.add(name);
    newTensors.push(...(rule.ownTensors?.(layer) ?? []));
    if (rule.isInputPrepared !== false && scheme.prepareInput !== undefined && !prepared.has(layer.input)) {
      prepared.add(layer.input);
      const input = scheme.prepareInput(layer.input);
      newTensors.push(...input.tensors);
      nodes.push(...input.nodes);
    }
    nodes.push(...rule.toNodes(layer));
  }
  const stillUsed = new Set([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs]);
  const removedTensors = new Set([...replaced].filter((name) => !stillUsed.has(name)));
  const newOpsets = nodes.some(({ domain }) => domain === microsoft) ? { newOpsets: { [microsoft]: 1 } } : {};
  const edited =
    layers.length === 0 ? original : editOnnxGraph(file, { nodes, removedTensors, newTensors, ...newOpsets });
  return {
    file: edited,
    layers,
    cleanUps: layers.length === 0 ? [] : cleanUps,
    bytesBefore: original.byteLength,
    bytesAfter: edited.byteLength,
  };
}

/** ONNX Runtime's own operators. */
export const microsoft = 'com.microsoft';
