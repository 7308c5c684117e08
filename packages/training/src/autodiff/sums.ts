/** Sums and means as products with constant vectors: the matrix kernels are faster at it than the reductions. */
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';

/** [N, W] → [N, 1]. */
export function rowMeans(graph: GraphBuilder, value: Value): Value {
  const width = value.shape.at(-1) as number;
  const share = graph.constant(`mean${width}`, [width, 1], () => new Float32Array(width).fill(1 / width));
  return graph.product(value, share);
}

/** [N, W] → [1, W]. */
export function columnSums(graph: GraphBuilder, value: Value, rows: number): Value {
  const ones = graph.constant(`ones${rows}`, [1, rows], () => new Float32Array(rows).fill(1));
  return graph.product(ones, value);
}
