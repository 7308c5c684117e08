/**
 * The NCHWc layout of ONNX Runtime's convolution kernels: a matrix [rows, columns] lies as
 * [columns / c][rows][c] with c = 8 or 16 lanes. A 1×1 convolution over it is a matrix product, and on CPUs
 * with AVX-512 the fastest one that the released package has. Reorder nodes move in and out; each value's
 * other layouts are made once and remembered, so c itself never appears here.
 */
import { blockedShape, plane } from './blocked-shape.ts';
import type { GraphBuilder } from './graph.ts';
import type { Shape, Value } from './value.ts';

const nchwc = 'com.microsoft.nchwc';
/** Holds for both lane counts. */
const lanes = 16;

/** Whether a product of these sizes can run blocked. */
export function canBlock(...sizes: readonly number[]): boolean {
  return sizes.every((size) => size % lanes === 0);
}

export class BlockedLayouts {
  readonly #graph: GraphBuilder;
  readonly #known = new Map<string, Value>();

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  /** [rows, columns], row by row. */
  rows(value: Value): Value {
    if (value.isBlocked !== true) return value;
    return this.#once('rows', value, () => this.#reorderOut(value, value.shape, 1));
  }

  /** The transpose [columns, rows] of a blocked value, row by row. */
  turnedRows(value: Value): Value {
    const [rows, columns] = value.shape as readonly [number, number];
    return this.#once('turned-rows', value, () => this.#reorderOut(value, [columns, rows], 0));
  }

  blocked(value: Value): Value {
    if (value.isBlocked === true) return value;
    return this.#once('blocked', value, () => {
      const [rows, columns] = value.shape as readonly [number, number];
      const image = this.#graph.reshape(value, [1, ...plane(rows), columns]);
      return this.#reorderIn(image, [rows, columns], 1);
    });
  }

  /** The transpose, blocked: the columns of the value become rows. */
  turnedBlocked(value: Value): Value {
    return this.#once('turned-blocked', value, () => {
      const source = this.rows(value);
      const [rows, columns] = source.shape as readonly [number, number];
      const image = this.#graph.reshape(source, [1, rows, ...plane(columns)]);
      return this.#reorderIn(image, [columns, rows], 0);
    });
  }

  /** left [n, k] · right [k, m] (+ bias [1, m] in rows), as a 1×1 convolution from k to m channels over n places. */
  product(left: Value, right: Value, bias?: Value): Value {
    const [n, k] = left.shape as readonly [number, number];
    const [inner, m] = right.shape as readonly [number, number];
    if (inner !== k || left.isBlocked !== true || right.isBlocked !== true) {
      throw new RangeError(`no blocked product of [${left.shape.join('×')}] and [${right.shape.join('×')}]`);
    }
    const filter = this.#graph.reshapeRaw(right, [m, k, 1, 1]);
    const added = bias === undefined ? [] : [this.#graph.reshape(bias, [m])];
    const output = this.#graph.node('Conv', [left, filter, ...added], [n, m], {
      domain: nchwc,
      attributes: {
        kernel_shape: { ints: [1, 1] },
        strides: { ints: [1, 1] },
        dilations: { ints: [1, 1] },
        pads: { ints: [0, 0, 0, 0] },
        group: { int: 1 },
      },
    });
    return this.#graph.asBlocked(output);
  }

  /** Column sums [1, columns] of a blocked value, in rows. */
  columnSums(value: Value): Value {
    const [rows, columns] = value.shape as readonly [number, number];
    const means = this.#graph.node('GlobalAveragePool', [value], [1, columns, 1, 1], { domain: nchwc });
    return this.#graph.multiply(this.#graph.reshape(means, [1, columns]), this.#graph.scalar(rows));
  }

  /** Blocked [rows, heads · width] → [heads, rows, width]. */
  splitHeads(value: Value, heads: number): Value {
    const [rows, columns] = value.shape as readonly [number, number];
    const width = columns / heads;
    const images = this.#graph.reshapeRaw(this.blocked(value), [heads, width, ...plane(rows)]);
    return this.#graph.node('ReorderOutput', [images], [heads, ...plane(rows), width], {
      domain: nchwc,
      attributes: { channels: { int: width }, channels_last: { int: 1 } },
    });
  }

  /** [heads, rows, width] (in any view) → blocked [rows, heads · width]. */
  mergeHeads(value: Value, heads: number, rows: number, width: number): Value {
    const images = this.#graph.reshape(value, [heads, ...plane(rows), width]);
    return this.#reorderIn(images, [rows, heads * width], 1);
  }

  #reorderIn(image: Value, shape: Shape, channelsLast: 0 | 1): Value {
    const [count, rows, columns, channels] = image.shape as readonly [number, number, number, number];
    const laid = channelsLast === 1 ? [count, channels, rows, columns] : image.shape;
    const output = this.#graph.node('ReorderInput', [image], laid, {
      domain: nchwc,
      attributes: { channels_last: { int: channelsLast } },
    });
    return this.#graph.asBlocked({ ...this.#graph.reshapeRaw(output, blockedShape(shape)), shape });
  }

  #reorderOut(value: Value, shape: Shape, channelsLast: 0 | 1): Value {
    const [rows, columns] = value.shape as readonly [number, number];
    const laid = channelsLast === 1 ? [1, ...plane(rows), columns] : [1, columns, ...plane(rows)];
    const image = this.#graph.node('ReorderOutput', [value], laid, {
      domain: nchwc,
      attributes: { channels: { int: columns }, channels_last: { int: channelsLast } },
    });
    return this.#graph.reshape(image, shape);
  }

  #once(layout: string, value: Value, make: () => Value): Value {
    const key = `${layout}:${value.name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#known.set(key, made);
    // What was made from blocked data is also the way back.
    if (layout === 'rows') this.#known.set(`blocked:${made.name}`, value);
    if (layout === 'blocked') this.#known.set(`rows:${made.name}`, value);
    return made;
  }
}
