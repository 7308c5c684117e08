/**
 * Fake quantisation (Jacob et al. 2018, §3): forward, weights are what the export's blocks will hold, 32 values that
 * share a half-precision scale (ggml's Q8_0 and Q4_0); backward, the gradient goes straight through (Bengio et al.
 * 2013), for steps have no slope.
 */
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';
import type { OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';

export const blockFormats = ['q8_0', 'q4_0'] as const;
export type BlockFormat = (typeof blockFormats)[number];

export const blockValues = 32;

export interface BlockAttributes {
  readonly format: BlockFormat;
  /** Of a matrix: along which its blocks lie; it has whole blocks there. */
  readonly axis: 0 | 1;
}

export function hasWholeBlocks({ shape }: { readonly shape: readonly number[] }, axis: 0 | 1): boolean {
  return (shape[axis] as number) % blockValues === 0;
}

interface Blocks {
  readonly values: Value;
  /** One number a block, to be broadcast over it. */
  reduce(this: void, operator: 'ReduceMax' | 'ReduceMin', of: Value): Value;
}

/** The values of a block format, given its values: [.., 32, ..] → the same, rounded. */
const rounding: Readonly<Record<BlockFormat, (graph: GraphBuilder, blocks: Blocks) => Value>> = {
  // 127 steps to either side of the largest.
  q8_0: (graph, { values, reduce }) => {
    const step = graph.multiply(reduce('ReduceMax', graph.map('Abs', values)), graph.scalar(1 / 127));
    return graph.multiply(graph.map('Round', divided(graph, values, step)), asHalf(graph, step));
  },
  // The value of largest size takes the end of the range that has one step more: −8.
  q4_0: (graph, { values, reduce }) => {
    const [high, low] = [reduce('ReduceMax', values), reduce('ReduceMin', values)];
    const isHigh = graph.node('Greater', [graph.add(high, low), graph.scalar(0)], high.shape, {
      type: 'bool',
    });
    const extreme = graph.node('Where', [isHigh, high, low], high.shape);
    const step = graph.multiply(extreme, graph.scalar(-1 / 8));
    const places = graph.map('Floor', graph.add(divided(graph, values, step), graph.scalar(8.5)));
    const bounded = graph.node('Min', [places, graph.scalar(15)], places.shape);
    return graph.multiply(graph.subtract(bounded, graph.scalar(8)), asHalf(graph, step));
  },
};

export const roundBlocks: OperatorRule<BlockAttributes> = {
  forward: (graph, inputs, { format, axis }) => {
    const [matrix] = take(inputs, 1);
    const [rows, columns] = matrix.shape as readonly [number, number];
    const apart =
      axis === 1 ? [rows, columns / blockValues, blockValues] : [rows / blockValues, blockValues, columns];
    const along = axis === 1 ? 2 : 1;
    const blocks: Blocks = {
      values: graph.reshape(matrix, apart),
      reduce: (operator, of) =>
        graph.node(
          operator,
          [of],
          apart.map((size, index) => (index === along ? 1 : size)),
          {
            attributes: { axes: { ints: [along] }, keepdims: { int: 1 } },
          },
        ),
    };
    return { output: graph.reshape(rounding[format](graph, blocks), matrix.shape), saved: [] };
  },
  backward: (_graph, { gradient }) => [gradient],
};

/** A block of zeros has a step of zero: nothing is divided by it. */
function divided(graph: GraphBuilder, values: Value, step: Value): Value {
  const isNone = graph.node('Equal', [step, graph.scalar(0)], step.shape, { type: 'bool' });
  const some = graph.node('Where', [isNone, graph.scalar(1), step], step.shape);
  return graph.node('Div', [values, some], values.shape);
}

function asHalf(graph: GraphBuilder, value: Value): Value {
  const cast = (from: Value, to: number): Value =>
    graph.node('Cast', [from], value.shape, { attributes: { to: { int: to } } });
  // TensorProto.DataType: float16 and float32.
  return cast(cast(value, 10), 1);
}
