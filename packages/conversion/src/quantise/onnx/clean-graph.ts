/**
 * An ONNX graph made simpler without changing what it computes, so that its weights are constants where they are used:
 * Identity and Dropout go, what is computed of constants alone becomes one, factors and shifts by channel
 * (BatchNormalization, Mul, Add) go into the layer before them, chains of Transpose or Reshape become one, and what
 * nobody uses goes. Graphs with loops or branches stay as they are, and the report says so. Fusions into operators of
 * its own (attention, GELU, LayerNormalization) ONNX Runtime makes itself when it loads a model.
 */
import {
  editOnnxGraph,
  readOnnxGraph,
  reviseNode,
  type GraphNode,
  type GraphTensor,
  type NewTensor,
  type OnnxGraph,
} from '@gantry/formats/onnx';
import { isStandard } from './dense-layers.ts';
import { foldConstant } from './fold-constant.ts';
import { channelRules } from './fold-normalisation.ts';
import { foldPairs } from './fold-pairs.ts';
import { shapeRules } from './fold-shapes.ts';

export interface CleanUp {
  /** In words, like `constants folded`. */
  readonly what: string;
  readonly count: number;
}

export interface CleanedGraph {
  readonly file: Uint8Array;
  readonly cleanUps: readonly CleanUp[];
}

/** A constant of the graph as far as a clean-up looks into it. */
export type Constant = Pick<GraphTensor, 'name' | 'shape' | 'values' | 'integers'>;

export function cleanGraph(file: Uint8Array): CleanedGraph {
  const graph = readOnnxGraph(file);
  const nested = graph.nodes.filter(({ isNested }) => isNested).length;
  if (nested > 0) return { file, cleanUps: [{ what: 'loops or branches: left as it is', count: nested }] };
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const constants = new Map<string, Constant>(graph.tensors.map((tensor) => [tensor.name, tensor]));
  const given = new Set(graph.tensors.map(({ name }) => name));
  const { outputs } = graph;
  let nodes = withoutCopies(graph, count);
  nodes = nodes.filter((node) => {
    const made = foldConstant(node, constants);
    if (made === undefined || graph.outputs.includes(made.name)) return true;
    constants.set(made.name, made);
    count('constants folded');
    return false;
  });
  nodes = foldPairs({ nodes, outputs }, constants, [...channelRules, ...shapeRules], count);
  nodes = withoutCopies({ nodes, outputs }, () => undefined);
  nodes = withoutUnused(nodes, graph.outputs, () => count('unused nodes removed'));
  if (counts.size === 0) return { file, cleanUps: [] };
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs]);
  const newTensors = [...constants.values()]
    .filter(({ name }) => used.has(name) && !given.has(name))
    .map(toNewTensor);
  const removedTensors = new Set([...given].filter((name) => !used.has(name)));
  return {
    file: editOnnxGraph(file, { nodes, removedTensors, newTensors }),
    cleanUps: [...counts].map(([what, each]) => ({ what, count: each })),
  };
}

/** In inference both give what they get. */
function withoutCopies(
  { nodes, outputs }: Pick<OnnxGraph, 'nodes' | 'outputs'>,
  count: (what: string) => void,
): GraphNode[] {
  const renamed = new Map<string, string>();
  const kept: GraphNode[] = [];
  for (const node of nodes) {
    const inputs = node.inputs.map((name) => renamed.get(name) ?? name);
    const [from = '', to = ''] = [inputs[0], node.outputs[0]];
    const isCopy = isStandard(node) && (node.operator === 'Identity' || isInferredDropout(node));
    if (isCopy && !outputs.includes(to)) {
      renamed.set(to, from);
      count(`${node.operator} removed`);
    } else
      kept.push(inputs.every((name, at) => name === node.inputs[at]) ? node : reviseNode(node, { inputs }));
  }
  return kept;
}

/** Neither told to train nor asked for its mask. */
const isInferredDropout = ({ operator, inputs, outputs }: GraphNode): boolean =>
  operator === 'Dropout' && (inputs[2] ?? '') === '' && outputs.slice(1).every((name) => name === '');

function withoutUnused(
  nodes: readonly GraphNode[],
  outputs: readonly string[],
  count: () => void,
): GraphNode[] {
  const used = new Set(outputs);
  const kept: GraphNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => used.has(name))) {
      count();
      continue;
    }
    for (const name of node.inputs) used.add(name);
    kept.push(node);
  }
  return kept.reverse();
}

const toNewTensor = ({ name, shape, values, integers = [] }: Constant): NewTensor => ({
  name,
  shape,
  data: values ?? BigInt64Array.from(integers, BigInt),
});
