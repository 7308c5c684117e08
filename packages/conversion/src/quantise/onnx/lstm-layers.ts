/** LSTMs with constant weights: for each direction a matrix over the input and one over what it remembers. */
import type { GraphNode, OnnxGraph } from '@gantry/formats/onnx';
import { byName, isStandard, type Matrix, smallestWeight } from './dense-layers.ts';

export interface LstmWeight {
  readonly name: string;
  /** [directions, 4 · hidden, inputs] */
  readonly shape: readonly [number, number, number];
  /** One a direction: rows are inputs, columns the gates. */
  readonly matrices: readonly Matrix[];
}

export interface LstmLayer {
  readonly kind: 'lstm';
  readonly node: GraphNode;
  readonly input: string;
  readonly output: string;
  readonly weightName: string;
  readonly key: string;
  readonly weights: readonly [input: LstmWeight, recurrent: LstmWeight];
}

export function lstmLayers({ nodes, tensors }: OnnxGraph): ReadonlyMap<GraphNode, LstmLayer> {
  const constants = byName(tensors);
  const weightOf = (name: string | undefined): LstmWeight | undefined => {
    const { values, shape = [] } = constants.get(name ?? '') ?? {};
    const [directions, gates, inputs] = shape;
    if (name === undefined || values === undefined || values.length === 0) return undefined;
    if (directions === undefined || gates === undefined || inputs === undefined || shape.length > 3)
      return undefined;
    const matrices = Array.from({ length: directions }, (_, direction) => ({
      rows: inputs,
      columns: gates,
      at: (row: number, column: number) => values[(direction * gates + column) * inputs + row] as number,
    }));
    return { name, shape: [directions, gates, inputs], matrices };
  };
  const found = new Map<GraphNode, LstmLayer>();
  for (const node of nodes) {
    if (node.operator !== 'LSTM' || !isStandard(node) || node.numbers['layout'] === 1) continue;
    const [input, recurrent] = [weightOf(node.inputs[1]), weightOf(node.inputs[2])];
    if (input === undefined || recurrent === undefined) continue;
    const [directions, gates, inputs] = input.shape;
    if (directions * gates * (inputs + recurrent.shape[2]) < smallestWeight) continue;
    found.set(node, {
      kind: 'lstm',
      node,
      input: node.inputs[0] ?? '',
      output: node.outputs.find((name) => name !== '') ?? '',
      weightName: input.name,
      key: `${input.name}+${recurrent.name}`,
      weights: [input, recurrent],
    });
  }
  return found;
}
