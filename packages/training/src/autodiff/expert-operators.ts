/** What carries tokens to experts and back. Names as in routing.ts; whole numbers have no gradient. */
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';
import type { OperatorRule } from './operator-rule.ts';
import { oneHot } from './routing.ts';
import { take } from './take.ts';

type Rule<Attributes = Readonly<Record<string, never>>> = OperatorRule<Attributes>;

/** (x [N, W]; tokenAt [places]; places [N, k]) → [places, W]: the token of each place, zeros where it is empty. */
export const dispatch: Rule = {
  forward: (graph, inputs) => {
    const [x, tokenAt] = take(inputs, 3);
    return { output: gatherOrZero(graph, x, tokenAt), saved: [] };
  },
  backward: (graph, { inputs, gradient }) => {
    const [x, , places] = take(inputs, 3);
    const each = gatherOrZero(graph, gradient, places);
    return [sumAxis(graph, each, 1, x.shape), undefined, undefined];
  },
};

/** (y [places, W]; gates [N, k]; places [N, k]; tokenAt, choiceAt [places]) → [N, W]: what a token's experts say, weighed. */
export const combine: Rule = {
  forward: (graph, inputs) => {
    const [y, gates, places] = inputs as readonly [Value, Value, Value];
    const [tokens, top] = gates.shape as readonly [number, number];
    const said = gatherOrZero(graph, y, places);
    const weighed = graph.multiply(said, graph.reshape(gates, [tokens, top, 1]));
    return { output: sumAxis(graph, weighed, 1, [tokens, y.shape[1] as number]), saved: [said] };
  },
  backward: (graph, { inputs, saved, gradient }) => {
    const [y, gates, , tokenAt, choiceAt] = inputs as readonly [Value, Value, Value, Value, Value];
    const [said] = take(saved, 1);
    const [tokens, top] = gates.shape as readonly [number, number];
    const apart = graph.reshape(gradient, [tokens, 1, gradient.shape[1] as number]);
    const dGates = sumAxis(graph, graph.multiply(said, apart), 2, gates.shape);
    const gateAt = gatherOrZero(graph, graph.reshape(gates, [tokens * top, 1]), choiceAt);
    const dy = graph.multiply(gatherOrZero(graph, gradient, tokenAt), gateAt);
    return [graph.reshape(dy, y.shape), dGates, undefined, undefined, undefined];
  },
};

/** (logits [N, E]; choices [N, k]) → softmax over each token's own choices [N, k] (as Mixtral weighs them). */
export const gates: Rule = {
  forward: (graph, inputs) => {
    const [logits, choices] = take(inputs, 2);
    const attributes = { axis: { int: 1 } };
    const chosen = graph.node('GatherElements', [logits, choices], choices.shape, { attributes });
    return { output: graph.node('Softmax', [chosen], choices.shape, { attributes }), saved: [] };
  },
  backward: (graph, { inputs, output, gradient }) => {
    const [logits, choices] = take(inputs, 2);
    const ofChosen = softmaxGradient(graph, output, gradient);
    const zeros = graph.multiply(logits, graph.scalar(0));
    return [
      graph.node('ScatterElements', [zeros, choices, ofChosen], logits.shape, {
        attributes: { axis: { int: 1 } },
      }),
      undefined,
    ];
  },
};

/**
 * (logits [N, E]; choices [N, k]; weights [N]) → the logits as they are; on the way back the gradient of the
 * load-balancing loss is added to theirs: for each sequence its weight times factor · E · Σₑ fₑ · Pₑ, with fₑ the share
 * of the choices that expert e got and Pₑ its mean probability (Fedus et al. 2022, equations 4 to 6, by sequence).
 */
export const balance: Rule<{ readonly sequences: number; readonly factor: number }> = {
  forward: (graph, inputs) => {
    const [logits] = take(inputs, 3);
    return { output: graph.map('Identity', logits), saved: [] };
  },
  backward: (graph, { inputs, gradient, attributes }) => {
    const [logits, choices, weights] = take(inputs, 3);
    const { sequences, factor } = attributes;
    const [tokens, experts] = logits.shape as readonly [number, number];
    const time = tokens / sequences;
    const top = choices.shape[1] as number;
    const hot = oneHot(graph, graph.reshape(choices, [sequences, time * top]), experts);
    const counts = sumAxis(graph, hot, 1, [sequences, experts]);
    const weight = sumAxis(graph, graph.reshape(weights, [sequences, time]), 1, [sequences]);
    const slope = graph.scalar((factor * experts) / (time * time * top));
    const each = graph.multiply(counts, graph.multiply(graph.reshape(weight, [sequences, 1]), slope));
    const shape = [sequences, time, experts];
    const spread = graph.node(
      'Expand',
      [graph.reshape(each, [sequences, 1, experts]), graph.integers(shape)],
      shape,
    );
    const probabilities = graph.node('Softmax', [logits], logits.shape, {
      attributes: { axis: { int: -1 } },
    });
    const ofBalance = softmaxGradient(graph, probabilities, graph.reshape(spread, logits.shape));
    return [graph.add(gradient, ofBalance), undefined, undefined];
  },
};

/** Rows one above the other. */
export const joinRows: Rule = {
  forward: (graph, inputs) => {
    const rows = inputs.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
    const shape = [rows, inputs[0]?.shape[1] as number];
    return { output: graph.node('Concat', inputs, shape, { attributes: { axis: { int: 0 } } }), saved: [] };
  },
  backward: (graph, { inputs, gradient }) => {
    let from = 0;
    return inputs.map(({ shape }) => {
      const to = from + (shape[0] as number);
      const bounds = [[from], [to], [0]].map((numbers) => graph.integers(numbers));
      from = to;
      return graph.node('Slice', [gradient, ...bounds], shape);
    });
  },
};

/** Rows [from, to). */
export const sliceRows: Rule<{ readonly from: number; readonly to: number }> = {
  forward: (graph, inputs, { from, to }) => {
    const [table] = take(inputs, 1);
    const bounds = [[from], [to], [0]].map((numbers) => graph.integers(numbers));
    return {
      output: graph.node('Slice', [table, ...bounds], [to - from, table.shape[1] as number]),
      saved: [],
    };
  },
  backward: (graph, { inputs, gradient, attributes: { from, to } }) => {
    const [table] = take(inputs, 1);
    const behind = (table.shape[0] as number) - to;
    return [graph.node('Pad', [gradient, graph.integers([from, 0, behind, 0])], table.shape)];
  },
};

/** Rows by number; zeros for the number behind the last. */
function gatherOrZero(graph: GraphBuilder, rows: Value, numbers: Value): Value {
  const [count, width] = rows.shape as readonly [number, number];
  const zero = graph.constant(`zeros${width}`, [1, width], () => new Float32Array(width));
  const padded = graph.node('Concat', [rows, zero], [count + 1, width], { attributes: { axis: { int: 0 } } });
  return graph.node('Gather', [padded, numbers], [...numbers.shape, width]);
}

function sumAxis(graph: GraphBuilder, value: Value, axis: number, shape: readonly number[]): Value {
  return graph.node('ReduceSum', [value, graph.integers([axis])], shape, {
    attributes: { keepdims: { int: 0 } },
  });
}

function softmaxGradient(graph: GraphBuilder, probabilities: Value, gradient: Value): Value {
  const row = graph.sumLast(graph.multiply(probabilities, gradient));
  return graph.multiply(probabilities, graph.subtract(gradient, row));
}
