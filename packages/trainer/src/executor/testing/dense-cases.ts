/** Examples of what works on rows of numbers: products, norms, activations, the loss. */
import {
  at,
  columns,
  inner,
  rows,
  sum,
  table,
  type Numbers,
  type OperatorCase,
  type OperatorCases,
} from './operator-case.ts';

const epsilon = 1e-5;

export const denseCases: OperatorCases<
  | 'linear'
  | 'linearTransposed'
  | 'rmsNorm'
  | 'layerNorm'
  | 'addRows'
  | 'sliceRows'
  | 'joinRows'
  | 'gelu'
  | 'relu'
  | 'add'
  | 'swiGlu'
  | 'crossEntropy'
> = {
  linear: {
    attributes: {},
    shapes: [
      [rows, inner],
      [inner, columns],
    ],
    output: [rows, columns],
    define: ([x, w]) =>
      table(rows * columns, (index) =>
        sum(
          inner,
          (k) => at(x, Math.floor(index / columns) * inner + k) * at(w, k * columns + (index % columns)),
        ),
      ),
  },
  linearTransposed: {
    attributes: {},
    shapes: [
      [rows, inner],
      [columns, inner],
    ],
    output: [rows, columns],
    define: ([x, w]) =>
      table(rows * columns, (index) =>
        sum(
          inner,
          (k) => at(x, Math.floor(index / columns) * inner + k) * at(w, (index % columns) * inner + k),
        ),
      ),
  },
  rmsNorm: {
    attributes: { epsilon },
    shapes: [[rows, columns], [columns]],
    output: [rows, columns],
    define: ([x, w]) =>
      table(rows * columns, (index) => {
        const first = index - (index % columns);
        const mean = sum(columns, (k) => at(x, first + k) ** 2) / columns;
        return (at(x, index) / Math.sqrt(mean + epsilon)) * at(w, index % columns);
      }),
  },
  layerNorm: {
    attributes: { epsilon },
    shapes: [[rows, columns], [columns], [columns]],
    output: [rows, columns],
    define: ([x, w, b]) =>
      table(rows * columns, (index) => {
        const first = index - (index % columns);
        const mean = sum(columns, (k) => at(x, first + k)) / columns;
        const variance = sum(columns, (k) => (at(x, first + k) - mean) ** 2) / columns;
        const normal = (at(x, index) - mean) / Math.sqrt(variance + epsilon);
        return normal * at(w, index % columns) + at(b, index % columns);
      }),
  },
  addRows: {
    attributes: {},
    shapes: [
      [rows, columns],
      [rows / 4, columns],
    ],
    output: [rows, columns],
    define: ([x, r]) =>
      table(rows * columns, (index) => at(x, index) + at(r, index % ((rows / 4) * columns))),
  },
  sliceRows: {
    attributes: { from: 3, to: 8 },
    shapes: [[rows, columns]],
    output: [5, columns],
    define: ([x]) => table(5 * columns, (index) => at(x, 3 * columns + index)),
  },
  joinRows: {
    attributes: {},
    shapes: [
      [2, columns],
      [3, columns],
    ],
    output: [5, columns],
    define: ([x, y]) => [...(x ?? []), ...(y ?? [])],
  },
  gelu: {
    attributes: {},
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) =>
      table(rows * columns, (index) => {
        const value = at(x, index);
        return (value / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
      }),
  },
  relu: {
    attributes: {},
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => table(rows * columns, (index) => Math.max(0, at(x, index))),
  },
  add: {
    attributes: {},
    shapes: [
      [rows, columns],
      [rows, columns],
    ],
    output: [rows, columns],
    define: ([left, right]) => table(rows * columns, (index) => at(left, index) + at(right, index)),
  },
  swiGlu: {
    attributes: {},
    shapes: [
      [rows, columns],
      [rows, columns],
    ],
    output: [rows, columns],
    define: ([gate, up]) =>
      table(rows * columns, (index) => (at(gate, index) / (1 + Math.exp(-at(gate, index)))) * at(up, index)),
  },
  crossEntropy: {
    attributes: {},
    shapes: [[rows, columns], [rows], [rows]],
    output: [],
    choices: { 1: columns },
    fixed: [2],
    define: ([logits, targets, weights]) => [
      sum(rows, (row) => {
        const all = Math.log(sum(columns, (k) => Math.exp(at(logits, row * columns + k))));
        return at(weights, row) * (all - at(logits, row * columns + at(targets, row)));
      }),
    ],
  },
};

/** The product of the same name with a bias beside. */
export function withBias<Name extends 'linear' | 'linearTransposed'>(name: Name): OperatorCase<Name> {
  const plain = denseCases[name];
  const biasScale = 0.5;
  return {
    ...plain,
    attributes: { biasScale },
    shapes: [...plain.shapes, [1, columns]],
    define: ([x, w, b]) =>
      plain.define([x as Numbers, w as Numbers]).map((y, index) => y + biasScale * at(b, index % columns)),
  };
}
