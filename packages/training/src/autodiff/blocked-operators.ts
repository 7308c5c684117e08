/** The rules that gain from the blocked layout; the others are those of the portable dialect. */
import { BlockedLayouts, canBlock } from './blocked-layout.ts';
import type { GraphBuilder } from './graph.ts';
import { scaledBias } from './linear.ts';
import type { Value } from './value.ts';
import { operators, type OperatorTable } from './operators.ts';

export function blockedOperators(graph: GraphBuilder): { table: OperatorTable; layouts: BlockedLayouts } {
  const layouts = new BlockedLayouts(graph);
  const fits = (inputs: readonly Value[]): boolean =>
    canBlock(...inputs.slice(0, 2).flatMap(({ shape }) => shape));
  const rows = (values: readonly Value[]): Value[] => values.map((value) => layouts.rows(value));
  /** aᵀ·b as rows; the narrow one of the two is the one that is turned. */
  const turnedProduct = (a: Value, b: Value): Value =>
    (a.shape[1] as number) <= (b.shape[1] as number)
      ? layouts.rows(layouts.product(layouts.turnedBlocked(a), layouts.blocked(b)))
      : layouts.turnedRows(layouts.product(layouts.turnedBlocked(b), layouts.blocked(a)));
  const biasOf = (graph: GraphBuilder, inputs: readonly Value[], scale?: number): Value | undefined =>
    inputs[2] === undefined ? undefined : scaledBias(graph, inputs[2], scale);
  const biasGradient = (
    graph: GraphBuilder,
    inputs: readonly Value[],
    gradient: Value,
    scale?: number,
  ): Value[] =>
    inputs[2] === undefined ? [] : [scaledBias(graph, layouts.columnSums(layouts.blocked(gradient)), scale)];
  /** Elementwise rules hold in any layout that all operands share. */
  const alike = (values: readonly Value[]): Value[] =>
    values.some(({ isBlocked }) => isBlocked === true)
      ? values.map((value) => layouts.blocked(value))
      : [...values];

  const table: OperatorTable = {
    ...operators,
    linear: {
      takesBlocked: true,
      forward: (graph, inputs, attributes) => {
        if (!fits(inputs)) return operators.linear.forward(graph, rows(inputs), attributes);
        const [x, w] = inputs as readonly [Value, Value];
        const bias = biasOf(graph, inputs, attributes.biasScale);
        return { output: layouts.product(layouts.blocked(x), layouts.blocked(w), bias), saved: [] };
      },
      backward: (graph, context) => {
        const { inputs, gradient, attributes } = context;
        if (!fits(inputs)) {
          return operators.linear.backward(graph, {
            ...context,
            inputs: rows(inputs),
            gradient: layouts.rows(gradient),
          });
        }
        const [x, w] = inputs as readonly [Value, Value];
        return [
          layouts.product(layouts.blocked(gradient), layouts.turnedBlocked(w)),
          turnedProduct(x, gradient),
          ...biasGradient(graph, inputs, gradient, attributes.biasScale),
        ];
      },
    },
    linearTransposed: {
      takesBlocked: true,
      forward: (graph, inputs, attributes) => {
        if (!fits(inputs)) return operators.linearTransposed.forward(graph, rows(inputs), attributes);
        const [x, w] = inputs as readonly [Value, Value];
        const bias = biasOf(graph, inputs, attributes.biasScale);
        return { output: layouts.product(layouts.blocked(x), layouts.turnedBlocked(w), bias), saved: [] };
      },
      backward: (graph, context) => {
        const { inputs, gradient, attributes } = context;
        if (!fits(inputs)) {
          return operators.linearTransposed.backward(graph, {
            ...context,
            inputs: rows(inputs),
            gradient: layouts.rows(gradient),
          });
        }
        const [x, w] = inputs as readonly [Value, Value];
        return [
          layouts.product(layouts.blocked(gradient), layouts.blocked(w)),
          turnedProduct(gradient, x),
          ...biasGradient(graph, inputs, gradient, attributes.biasScale),
        ];
      },
    },
    add: {
      takesBlocked: true,
      forward: (graph, inputs, attributes) => operators.add.forward(graph, alike(inputs), attributes),
      backward: (graph, context) => operators.add.backward(graph, context),
    },
    swiGlu: {
      takesBlocked: true,
      forward: (graph, inputs, attributes) => operators.swiGlu.forward(graph, alike(inputs), attributes),
      backward: (graph, context) => {
        const [gradient, ...inputs] = alike([context.gradient, ...context.inputs]) as [Value, ...Value[]];
        return operators.swiGlu.backward(graph, { ...context, gradient, inputs });
      },
    },
    gelu: {
      takesBlocked: true,
      forward: (graph, inputs, attributes) => operators.gelu.forward(graph, inputs, attributes),
      backward: (graph, context) => {
        const [gradient, x, output] = alike([context.gradient, ...context.inputs, context.output]) as [
          Value,
          Value,
          Value,
        ];
        return operators.gelu.backward(graph, { ...context, gradient, inputs: [x], output });
      },
    },
    // Heads come first here ([heads, batch, time, width]); attention does not mind, unless heads differ.
    splitHeads: {
      takesBlocked: true,
      forward: (graph, inputs, attributes) => {
        const [x] = inputs as readonly [Value];
        const { batch, heads, isOrdered } = attributes;
        const [count, columns] = x.shape as readonly [number, number];
        if (isOrdered || !canBlock(count, columns / heads)) {
          return operators.splitHeads.forward(graph, rows(inputs), attributes);
        }
        const apart = layouts.splitHeads(x, heads);
        return { output: graph.reshape(apart, [heads, batch, count / batch, columns / heads]), saved: [] };
      },
      backward: (graph, context) => {
        const [x] = context.inputs as readonly [Value];
        const { heads, isOrdered } = context.attributes;
        const [count, columns] = x.shape as readonly [number, number];
        if (isOrdered || !canBlock(count, columns / heads))
          return operators.splitHeads.backward(graph, context);
        return [layouts.mergeHeads(context.gradient, heads, count, columns / heads)];
      },
    },
    mergeHeads: {
      takesBlocked: true,
      forward: (graph, inputs, attributes) => {
        const [x] = inputs as readonly [Value];
        const { batch, heads, isOrdered } = attributes;
        const [, , time, width] = x.shape as readonly [number, number, number, number];
        if (isOrdered || !canBlock(batch * time, width)) {
          return operators.mergeHeads.forward(graph, inputs, attributes);
        }
        return { output: layouts.mergeHeads(x, heads, batch * time, width), saved: [] };
      },
      backward: (graph, context) => {
        const [x] = context.inputs as readonly [Value];
        const { batch, heads, isOrdered } = context.attributes;
        const [, , time, width] = x.shape as readonly [number, number, number, number];
        if (isOrdered || !canBlock(batch * time, width)) {
          return operators.mergeHeads.backward(graph, {
            ...context,
            gradient: layouts.rows(context.gradient),
          });
        }
        return [graph.reshape(layouts.splitHeads(context.gradient, heads), x.shape)];
      },
    },
  };
  return { table, layouts };
}
