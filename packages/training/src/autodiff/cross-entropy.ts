/** (logits [N, V]; targets int64 [N]; weights [N]) → Σ weightᵢ · −log p(targetᵢ), a scalar. */
import type { NoAttributes, OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';
import type { Value } from './value.ts';

export const crossEntropy: OperatorRule<NoAttributes> = {
  forward: (graph, inputs) => {
    const [logits, targets, weights] = take(inputs, 3);
    const [rows] = logits.shape as readonly [number, number];
    const logs = graph.node('LogSoftmax', [logits], logits.shape, { attributes: { axis: { int: -1 } } });
    const column: Value = { ...graph.reshape(targets, [rows, 1]), type: 'int64' };
    const picked = graph.node('GatherElements', [logs, column], [rows, 1], {
      attributes: { axis: { int: 1 } },
    });
    const weighted = graph.multiply(graph.reshape(picked, [rows]), weights);
    const sum = graph.node('ReduceSum', [weighted], [], { attributes: { keepdims: { int: 0 } } });
    return { output: graph.node('Neg', [sum], []), saved: [logs] };
  },
  backward: (graph, { inputs, saved, gradient }) => {
    const [logits, targets, weights] = take(inputs, 3);
    const [logs] = take(saved, 1);
    const [rows, vocabulary] = logits.shape as readonly [number, number];
    const choices = graph.constant('offOn', [2], () => Float32Array.of(0, 1));
    const hot = graph.node('OneHot', [targets, graph.integers([vocabulary]), choices], logits.shape);
    const distance = graph.subtract(graph.node('Exp', [logs], logits.shape), hot);
    const scaled = graph.multiply(graph.reshape(weights, [rows, 1]), gradient);
    return [graph.multiply(distance, scaled), undefined, undefined];
  },
};
