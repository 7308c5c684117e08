/** What lays heads apart and together again, and turns them by position. N = batch · time tokens. */
import { rotaryTables } from './constants.ts';
import { microsoft, type GraphBuilder } from './graph.ts';
import type { OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';
import type { Value } from './value.ts';

export interface HeadAttributes {
  readonly batch: number;
  readonly heads: number;
  /** [batch, heads] in this order; else the dialect may turn it. Heads that share keys or have a bias need it. */
  readonly isOrdered: boolean;
}

/** [N, heads·headWidth] → [batch, heads, time, headWidth] */
export const splitHeads: OperatorRule<HeadAttributes> = {
  forward: (graph, inputs, { batch, heads }) => {
    const [x] = take(inputs, 1);
    const [rows, width] = x.shape as readonly [number, number];
    const apart = graph.reshape(x, [batch, rows / batch, heads, width / heads]);
    return { output: graph.transpose(apart, [0, 2, 1, 3]), saved: [] };
  },
  backward: (graph, { inputs, gradient }) => {
    const [x] = take(inputs, 1);
    return [graph.reshape(graph.transpose(gradient, [0, 2, 1, 3]), x.shape)];
  },
};

/** [batch, heads, time, headWidth] → [N, heads·headWidth] */
export const mergeHeads: OperatorRule<HeadAttributes> = {
  forward: (graph, inputs) => {
    const [x] = take(inputs, 1);
    const [batch, heads, time, width] = x.shape as readonly [number, number, number, number];
    return {
      output: graph.reshape(graph.transpose(x, [0, 2, 1, 3]), [batch * time, heads * width]),
      saved: [],
    };
  },
  backward: (graph, { inputs, gradient }) => {
    const [x] = take(inputs, 1);
    const [batch, heads, time, width] = x.shape as readonly [number, number, number, number];
    return [graph.transpose(graph.reshape(gradient, [batch, time, heads, width]), [0, 2, 1, 3])];
  },
};

/** Rotate-half positions on [batch, heads, time, headWidth] (Su et al. 2021; Hugging Face layout). */
export const rotary: OperatorRule<{ readonly theta: number }> = {
  forward: (graph, inputs, { theta }) => {
    const [x] = take(inputs, 1);
    return { output: rotate(graph, x, theta, 1), saved: [] };
  },
  // A rotation's transpose is the rotation by the opposite angle.
  backward: (graph, { attributes, gradient }) => [rotate(graph, gradient, attributes.theta, -1)],
};

function rotate(graph: GraphBuilder, x: Value, theta: number, direction: 1 | -1): Value {
  const [, , time, width] = x.shape as readonly [number, number, number, number];
  const tables = rotaryTables(time, width, theta);
  const shape = [time, width / 2];
  const key = `${time}x${width}:${theta}`;
  const cosines = graph.constant(`cos${key}`, shape, () => tables.cosines);
  const sines = graph.constant(`sin${direction}:${key}`, shape, () => tables.sines.map((s) => s * direction));
  const offset = graph.integers([0]);
  return graph.node('RotaryEmbedding', [x, offset, cosines, sines], x.shape, {
    domain: microsoft,
    attributes: { interleaved: { int: 0 } },
  });
}
