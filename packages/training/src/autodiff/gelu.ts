/**
 * GELU in the form of GPT-2 (Hendrycks and Gimpel 2016, §2): x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2. As
 * (1 + tanh u) / 2 = σ(2u) it is x·s with s = σ(x·(a + b·x²)), and its slope s·(1 + x·(1 − s)·(a + 3b·x²)).
 */
import { microsoft } from './graph.ts';
import type { OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';

const a = 2 * Math.sqrt(2 / Math.PI);
const b = a * 0.044715;

export const gelu: OperatorRule<Readonly<Record<string, never>>> = {
  forward: (graph, inputs) => {
    const [x] = take(inputs, 1);
    return { output: graph.map('FastGelu', x, microsoft), saved: [] };
  },
  backward: (graph, { inputs, output, gradient }) => {
    const [x] = take(inputs, 1);
    const square = graph.multiply(x, x);
    const steep = graph.add(graph.multiply(square, graph.scalar(b)), graph.scalar(a));
    const s = graph.map('Sigmoid', graph.multiply(x, steep));
    const steeper = graph.add(graph.multiply(square, graph.scalar(3 * b)), graph.scalar(a));
    // The output is x·s already.
    const bend = graph.multiply(graph.subtract(x, output), steeper);
    const slope = graph.multiply(s, graph.add(bend, graph.scalar(1)));
    return [graph.multiply(gradient, slope)];
  },
};
