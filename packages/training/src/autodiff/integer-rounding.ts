/**
 * Fake quantisation to eight bits (Jacob et al. 2018, §3), as the ONNX export multiplies them: weights by output channel around
 * zero, activations by the range that the whole batch has; gradients go straight through (Bengio et al. 2013).
 */
import type { OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';

export interface ChannelAttributes {
  /** Along which the output channels lie. */
  readonly axis: 0 | 1;
}

/** w → the same shape: the largest value of a channel becomes 127 steps. */
export const roundChannels: OperatorRule<ChannelAttributes> = {
  forward: (graph, inputs, { axis }) => {
    const [w] = take(inputs, 1);
    const others = w.shape.flatMap((_, index) => (index === axis ? [] : [index]));
    const each = w.shape.map((size, index) => (index === axis ? size : 1));
    const largest = graph.node('ReduceMax', [graph.map('Abs', w)], each, {
      attributes: { axes: { ints: others }, keepdims: { int: 1 } },
    });
    const isNone = graph.node('Equal', [largest, graph.scalar(0)], each, { type: 'bool' });
    const step = graph.node(
      'Where',
      [isNone, graph.scalar(1), graph.node('Div', [largest, graph.scalar(127)], each)],
      each,
    );
    const steps = graph.map('Round', graph.node('Div', [w, step], w.shape));
    return { output: graph.multiply(steps, step), saved: [] };
  },
  backward: (_graph, { gradient }) => [gradient],
};

/** x → the same shape: 255 steps from the least value of all, or 0, to the largest, or 0. */
export const roundRange: OperatorRule<Readonly<Record<string, never>>> = {
  forward: (graph, inputs) => {
    const [x] = take(inputs, 1);
    const parts = graph.nodes('DynamicQuantizeLinear', [x], [x.shape, [], []], {
      types: ['uint8', 'float32', 'uint8'],
    });
    return { output: graph.node('DequantizeLinear', parts, x.shape), saved: [] };
  },
  backward: (_graph, { gradient }) => [gradient],
};
