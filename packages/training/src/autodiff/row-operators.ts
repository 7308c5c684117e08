/** Rows that are repeated down a matrix: positions. */
import type { OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';

/** (x [N, W]; r [T, W], with N a multiple of T) → x plus r repeated. */
export const addRows: OperatorRule<Readonly<Record<string, never>>> = {
  forward: (graph, inputs) => {
    const [x, repeated] = take(inputs, 2);
    const [time, width] = repeated.shape as readonly [number, number];
    const apart = graph.reshape(x, [(x.shape[0] as number) / time, time, width]);
    return { output: graph.reshape(graph.add(apart, repeated), x.shape), saved: [] };
  },
  backward: (graph, { inputs, gradient }) => {
    const [x, repeated] = take(inputs, 2);
    const [time, width] = repeated.shape as readonly [number, number];
    const apart = graph.reshape(gradient, [(x.shape[0] as number) / time, time, width]);
    const sum = graph.node('ReduceSum', [apart, graph.integers([0])], [time, width], {
      attributes: { keepdims: { int: 0 } },
    });
    return [gradient, sum];
  },
};
