/** What stands behind the attention of a layer, as ONNX operators. */
import type { Activation, GatedMlp, Mlp } from './decoder-form.ts';
import type { GraphBuilder } from './graph-builder.ts';

/** `input` is [batch, sequence, width]; so is what comes back. */
export function mlpGraph(graph: GraphBuilder, input: string, mlp: Mlp, width: number): string {
  if (mlp.kind === 'gated') return gated(graph, input, mlp);
  if (mlp.kind === 'experts') return chosen(graph, input, mlp, width);
  return graph.linear(activations[mlp.activation](graph, graph.linear(input, mlp.up)), mlp.down);
}

function gated(graph: GraphBuilder, input: string, { gate, up, down }: GatedMlp): string {
  const opened = graph.linear(input, gate);
  const active = graph.add('Mul', [opened, graph.add('Sigmoid', [opened])]);
  return graph.linear(graph.add('Mul', [active, graph.linear(input, up)]), down);
}

const activations: Readonly<Record<Activation, (graph: GraphBuilder, x: string) => string>> = {
  relu: (graph, x) => graph.add('Relu', [x]),
  /** x · Φ(x) */
  gelu: (graph, x) => {
    const spread = graph.add('Erf', [graph.add('Div', [x, graph.number(Math.SQRT2)])]);
    return halved(graph, x, spread);
  },
  /** Hendrycks & Gimpel 2016, §2: by tanh of √(2/π) (x + 0.044715 x³). */
  'gelu-tanh': (graph, x) => {
    const cube = graph.add('Mul', [graph.add('Mul', [x, x]), x]);
    const bent = graph.add('Add', [x, graph.add('Mul', [cube, graph.number(0.044715)])]);
    const scaled = graph.add('Mul', [bent, graph.number(Math.sqrt(2 / Math.PI))]);
    return halved(graph, x, graph.add('Tanh', [scaled]));
  },
};

const halved = (graph: GraphBuilder, x: string, spread: string): string =>
  graph.add('Mul', [graph.add('Mul', [x, graph.number(0.5)]), graph.add('Add', [spread, graph.number(1)])]);

/**
 * Each expert computes the tokens that chose it, and no others: their rows are gathered, and what it says of them is
 * added, weighed, where they stood.
 */
function chosen(
  graph: GraphBuilder,
  input: string,
  { router, top, experts }: Extract<Mlp, { readonly kind: 'experts' }>,
  width: number,
): string {
  const tokens = graph.add('Reshape', [input, graph.sizes(-1, width)]);
  const scores = graph.linear(tokens, router);
  const [best, places] = graph.pair('TopK', [scores, graph.sizes(top)], { axis: { int: -1 } });
  const shares = graph.add('Softmax', [best], { axis: { int: -1 } });
  let sum = graph.add('Mul', [tokens, graph.number(0)]);
  for (const [index, expert] of experts.entries()) {
    const number = graph.constant(`expert:${index}`, [], BigInt64Array.of(BigInt(index)));
    const isMine = graph.add('Equal', [places, number]);
    // A token chooses an expert once at most: its share is the only one that stays.
    const share = graph.add('ReduceMax', [graph.add('Where', [isMine, shares, graph.number(0)])], {
      axes: { ints: [-1] },
      keepdims: { int: 1 },
    });
    const mine = graph.add('Transpose', [
      graph.add('NonZero', [graph.add('Squeeze', [share, graph.sizes(1)])]),
    ]);
    const said = gated(graph, graph.add('GatherND', [tokens, mine]), expert);
    const weighed = graph.add('Mul', [said, graph.add('GatherND', [share, mine])]);
    sum = graph.add('ScatterND', [sum, mine, weighed], { reduction: { text: 'add' } });
  }
  return graph.add('Reshape', [sum, graph.add('Shape', [input])]);
}
