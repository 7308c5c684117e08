/**
 * (gate, up) → SiLU(gate)·up (Shazeer 2020). SiLU is computed again in the backward pass: less memory, and faster.
 */
import type { GraphBuilder } from './graph.ts';
import type { NoAttributes, OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';
import type { Value } from './value.ts';

export const swiGlu: OperatorRule<NoAttributes> = {
  forward: (graph, inputs) => {
    const [gate, up] = take(inputs, 2);
    return { output: graph.multiply(silu(graph, gate), up), saved: [] };
  },
  backward: (graph, { inputs, gradient }) => {
    const [gate, up] = take(inputs, 2);
    const sigmoid = graph.map('Sigmoid', gate);
    const activated = graph.multiply(gate, sigmoid);
    // d SiLU = σ·(1 + gate − SiLU)
    const slope = graph.multiply(sigmoid, graph.add(graph.subtract(gate, activated), graph.scalar(1)));
    return [graph.multiply(graph.multiply(gradient, up), slope), graph.multiply(gradient, activated)];
  },
};

function silu(graph: GraphBuilder, gate: Value): Value {
  return graph.multiply(gate, graph.map('Sigmoid', gate));
}
