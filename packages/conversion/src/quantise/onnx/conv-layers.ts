/** Convolutions with constant filters: each output channel is a column of a matrix, its filter's values the rows. */
import type { GraphNode, OnnxGraph } from '@gantry/formats/onnx';
import { byName, isStandard, type Matrix, smallestWeight } from './dense-layers.ts';

export interface ConvLayer {
  readonly kind: 'conv';
  readonly node: GraphNode;
  readonly input: string;
  readonly output: string;
  readonly bias: { readonly name: string; readonly values: Float32Array } | undefined;
  readonly weightName: string;
  readonly key: string;
  readonly weight: Matrix;
  /** [channels out, channels in / groups, sizes…] */
  readonly shape: readonly number[];
}

export function convLayers({ nodes, tensors }: OnnxGraph): ReadonlyMap<GraphNode, ConvLayer> {
  const constants = byName(tensors);
  const found = new Map<GraphNode, ConvLayer>();
  for (const node of nodes) {
    const [input = '', weightName = '', biasName = ''] = node.inputs;
    const { values, shape = [] } = constants.get(weightName) ?? {};
    const bias = constants.get(biasName)?.values;
    const [columns = 0] = shape;
    if (node.operator !== 'Conv' || !isStandard(node) || values === undefined || columns === 0) continue;
    if (values.length < smallestWeight || (biasName !== '' && bias === undefined)) continue;
    const rows = values.length / columns;
    found.set(node, {
      kind: 'conv',
      node,
      input,
      output: node.outputs[0] ?? '',
      bias: bias && { name: biasName, values: bias },
      weightName,
      key: weightName,
      weight: { rows, columns, at: (row, column) => values[column * rows + row] as number },
      shape,
    });
  }
  return found;
}

/** A number for each channel, in a shape that spreads over batch and positions. */
export const channelShape = ({ shape }: ConvLayer): readonly number[] => [
  1,
  shape[0] ?? 0,
  ...shape.slice(2).map(() => 1),
];

/** Columns behind each other, as the filters lie in the file. */
export function asFilters<Values extends Int8Array | Float16Array>(
  { rows, columns }: Matrix,
  values: Values,
  into: Values,
): Values {
  for (let column = 0; column < columns; column += 1)
    for (let row = 0; row < rows; row += 1)
      into[column * rows + row] = values[row * columns + column] as number;
  return into;
}
