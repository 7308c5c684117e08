/** Products with a weight, and the bias [1, out] that may be added. N = tokens of the batch. */
import type { GraphBuilder } from './graph.ts';
import type { OperatorRule } from './operator-rule.ts';
import { columnSums } from './sums.ts';
import type { Value } from './value.ts';

/** A bias [1, out] as third input is multiplied by this, 1 unless given: tensor ranks each add a part. */
export interface LinearAttributes {
  readonly biasScale?: number;
}

/** y = xW (+ b) with W [in, out]. Expanding layers: the narrow x is the one transposed for dW. */
export const linear: OperatorRule<LinearAttributes> = {
  forward: (graph, inputs, { biasScale }) => {
    const [x, w] = inputs as readonly [Value, Value];
    return { output: addBias(graph, graph.product(x, w), inputs[2], biasScale), saved: [] };
  },
  backward: (graph, { inputs, gradient, attributes }) => {
    const [x, w] = inputs as readonly [Value, Value];
    // An explicit transpose: MLAS is slower when it transposes the left operand itself.
    return [
      graph.product(gradient, w, { right: 'transposed' }),
      graph.product(graph.transposedOnce(x), gradient),
      ...biasGradient(graph, gradient, inputs[2], attributes.biasScale),
    ];
  },
};

/** y = xWᵀ (+ b) with W [out, in]. Contracting layers and the tied head. */
export const linearTransposed: OperatorRule<LinearAttributes> = {
  forward: (graph, inputs, { biasScale }) => {
    const [x, w] = inputs as readonly [Value, Value];
    const product = graph.product(x, w, { right: 'transposed' });
    return { output: addBias(graph, product, inputs[2], biasScale), saved: [] };
  },
  backward: (graph, { inputs, gradient, attributes }) => {
    const [x, w] = inputs as readonly [Value, Value];
    return [
      graph.product(gradient, w),
      graph.product(graph.transposedOnce(gradient), x),
      ...biasGradient(graph, gradient, inputs[2], attributes.biasScale),
    ];
  },
};

function addBias(graph: GraphBuilder, y: Value, bias: Value | undefined, scale: number | undefined): Value {
  return bias === undefined ? y : graph.add(y, scaledBias(graph, bias, scale));
}

export function scaledBias(graph: GraphBuilder, bias: Value, scale = 1): Value {
  return scale === 1 ? bias : graph.multiply(bias, graph.scalar(scale));
}

function biasGradient(
  graph: GraphBuilder,
  gradient: Value,
  bias: Value | undefined,
  scale: number | undefined,
): Value[] {
  if (bias === undefined) return [];
  return [scaledBias(graph, columnSums(graph, gradient, gradient.shape[0] as number), scale)];
}
