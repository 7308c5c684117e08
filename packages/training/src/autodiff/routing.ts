/**
 * Which expert sees which token (Shazeer et al. 2017; capacity as in Fedus et al. 2022, §2.2). Everything is decided
 * within a sequence, in order of its tokens, so neither the batch nor what comes later changes it. N = tokens of the
 * batch, T = of a sequence, B = sequences, E = experts, k = experts a token, C = places of an expert for a sequence.
 */
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';

export interface RoutingPlan {
  readonly sequences: number;
  /** k */
  readonly top: number;
  /** C */
  readonly capacity: number;
  /** Experts [from, to) of this rank; a token's other experts are elsewhere. */
  readonly from: number;
  readonly to: number;
}

/** All whole numbers; a place is of expert e, sequence b, c-th: (e − from)·B·C + b·C + c. */
export interface Routing {
  /** [N, k] experts of each token, best first. */
  readonly choices: Value;
  /** [N, k] place of each choice; the number of places where it has none here. */
  readonly places: Value;
  /** [places] token · k + choice; N · k for an empty place. */
  readonly choiceAt: Value;
  /** [places] token; N for an empty place. */
  readonly tokenAt: Value;
}

export function route(graph: GraphBuilder, logits: Value, plan: RoutingPlan): Routing {
  const [tokens, experts] = logits.shape as readonly [number, number];
  const { sequences, top, capacity, from, to } = plan;
  const each = (tokens / sequences) * top;
  const [, choices] = graph.nodes(
    'TopK',
    [logits, graph.integers([top])],
    [
      [tokens, top],
      [tokens, top],
    ],
    {
      attributes: { axis: { int: -1 }, largest: { int: 1 }, sorted: { int: 1 } },
      types: ['float32', 'int64'],
    },
  ) as [Value, Value];
  const ordered = graph.reshape(choices, [sequences, each]);
  const hot = oneHot(graph, ordered, experts);
  const before = graph.node('CumSum', [hot, graph.integers([1])], hot.shape, {
    attributes: { exclusive: { int: 1 } },
  });
  // How many choices of the same expert came earlier in the sequence.
  const turn = graph.node(
    'ReduceSum',
    [graph.multiply(before, hot), graph.integers([2])],
    [sequences, each],
    { attributes: { keepdims: { int: 0 } } },
  );
  const whole = (operator: string, left: Value, right: Value): Value =>
    graph.node(operator, [left, right], left.shape, { type: 'int64' });
  const perExpert = sequences * capacity;
  const count = (to - from) * perExpert;
  const none = graph.integers([count]);
  const cast = graph.node('Cast', [turn], turn.shape, { attributes: { to: { int: 7 } }, type: 'int64' });
  const firsts = graph.constant(`firsts${sequences}x${capacity}:${from}`, [sequences, 1], () =>
    BigInt64Array.from({ length: sequences }, (_, b) => BigInt(b * capacity - from * perExpert)),
  );
  const place = whole('Add', whole('Add', whole('Mul', ordered, graph.integers([perExpert])), firsts), cast);
  const isKept = whole('Less', cast, graph.integers([capacity]));
  const isHere = whole(
    'And',
    whole('Less', place, none),
    whole('GreaterOrEqual', place, graph.integers([0])),
  );
  const kept = graph.node('Where', [whole('And', isKept, isHere), place, none], place.shape, {
    type: 'int64',
  });
  const flat = graph.reshape(kept, [tokens * top]);
  const empty = graph.constant(`empty${count}:${tokens * top}`, [count + 1], () =>
    new BigInt64Array(count + 1).fill(BigInt(tokens * top)),
  );
  const numbers = graph.constant(`numbers${tokens * top}`, [tokens * top], () =>
    BigInt64Array.from({ length: tokens * top }, (_, index) => BigInt(index)),
  );
  const scattered = graph.node('ScatterElements', [empty, flat, numbers], [count + 1], { type: 'int64' });
  const bounds = [[0], [count], [0]].map((values) => graph.integers(values));
  const choiceAt = graph.node('Slice', [scattered, ...bounds], [count], { type: 'int64' });
  const tokenAt = whole('Div', choiceAt, graph.integers([top]));
  return { choices, places: graph.reshape(kept, [tokens, top]), choiceAt, tokenAt };
}

/** [..., E] with 1 where the expert was chosen. */
export function oneHot(graph: GraphBuilder, choices: Value, experts: number): Value {
  const offOn = graph.constant('offOn', [2], () => Float32Array.of(0, 1));
  return graph.node('OneHot', [choices, graph.integers([experts]), offOn], [...choices.shape, experts]);
}
