/** y = x / √(mean(x²) + ε) · w over the last axis (Zhang and Sennrich 2019). */
import type { OperatorRule } from './operator-rule.ts';
import { columnSums, rowMeans } from './sums.ts';
import { take } from './take.ts';
import { elementsOf } from './value.ts';

export const rmsNorm: OperatorRule<{ readonly epsilon: number }> = {
  forward: (graph, inputs, { epsilon }) => {
    const [x, w] = take(inputs, 2);
    const [output, inverse] = take(
      graph.nodes('SimplifiedLayerNormalization', [x, w], [x.shape, [...x.shape.slice(0, -1), 1]], {
        attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
      }),
      2,
    );
    return { output, saved: [inverse] };
  },
  backward: (graph, { inputs, saved, gradient }) => {
    const [x, w] = take(inputs, 2);
    const [inverse] = take(saved, 1);
    const normal = graph.multiply(x, inverse);
    const weighted = graph.multiply(gradient, w);
    const projected = rowMeans(graph, graph.multiply(weighted, normal));
    const dx = graph.multiply(graph.subtract(weighted, graph.multiply(normal, projected)), inverse);
    const rows = elementsOf(x.shape) / (x.shape.at(-1) as number);
    const dw = columnSums(graph, graph.multiply(gradient, normal), rows);
    return [dx, graph.reshape(dw, w.shape)];
  },
};
