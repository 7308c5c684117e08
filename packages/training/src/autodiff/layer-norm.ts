/** y = (x − mean) / deviation · w + b over the last axis (Ba et al. 2016). */
import { elementsOf } from './value.ts';
import type { OperatorRule } from './operator-rule.ts';
import { columnSums, rowMeans } from './sums.ts';
import { take } from './take.ts';

export const layerNorm: OperatorRule<{ readonly epsilon: number }> = {
  forward: (graph, inputs, { epsilon }) => {
    const [x, w, b] = take(inputs, 3);
    const each = [...x.shape.slice(0, -1), 1];
    const [output, mean, inverse] = take(
      graph.nodes('LayerNormalization', [x, w, b], [x.shape, each, each], {
        attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
      }),
      3,
    );
    return { output, saved: [mean, inverse] };
  },
  backward: (graph, { inputs, saved, gradient }) => {
    const [x, w, b] = take(inputs, 3);
    const [mean, inverse] = take(saved, 2);
    const normal = graph.multiply(graph.subtract(x, mean), inverse);
    const weighted = graph.multiply(gradient, w);
    const alongNormal = graph.multiply(normal, rowMeans(graph, graph.multiply(weighted, normal)));
    const centred = graph.subtract(weighted, rowMeans(graph, weighted));
    const dx = graph.multiply(graph.subtract(centred, alongNormal), inverse);
    const rows = elementsOf(x.shape) / (x.shape.at(-1) as number);
    const dw = columnSums(graph, graph.multiply(gradient, normal), rows);
    return [dx, graph.reshape(dw, w.shape), graph.reshape(columnSums(graph, gradient, rows), b.shape)];
  },
};
