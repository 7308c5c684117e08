/**
 * Muon (Jordan et al. 2024): a matrix moves along its momentum made orthogonal, all directions by the same amount.
 * Five Newton–Schulz steps with their coefficients; the length is that of an AdamW step (Liu et al. 2025, §2.2),
 * so that rate and decay mean the same for both. Embedding and norms are AdamW's.
 */
import type { OnnxModel } from '@gantry/formats/onnx';
import { GraphBuilder, type Value } from '../autodiff/index.ts';

const iterations = 5;
const [a, b, c] = [3.4445, -4.775, 2.0315] as const;

export interface OrthogonalGraph {
  readonly input: string;
  readonly output: string;
  model(prefixSequence: boolean): OnnxModel;
}

/** [rows, columns] → the nearest matrix whose singular values are about one. */
export function orthogonalGraph(rows: number, columns: number): OrthogonalGraph {
  const graph = new GraphBuilder();
  const x = graph.input('x', [rows, columns]);
  const isTall = rows > columns;
  const wide = isTall ? graph.transpose(x, [1, 0]) : x;
  const squares = graph.reshape(graph.multiply(wide, wide), [1, rows * columns]);
  const length = graph.map('Sqrt', graph.sumLast(squares));
  let along: Value = graph.node('Div', [wide, graph.add(length, graph.scalar(1e-7))], wide.shape);
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const gram = graph.product(along, along, { right: 'transposed' });
    const bent = graph.add(graph.multiply(gram, graph.scalar(b)), graph.product(gram, gram, { alpha: c }));
    along = graph.add(graph.multiply(along, graph.scalar(a)), graph.product(bent, along));
  }
  const output = isTall ? graph.transpose(along, [1, 0]) : along;
  return {
    input: x.name,
    output: output.name,
    model: (prefixSequence) => graph.model('orthogonal', [output], prefixSequence),
  };
}

export interface MuonSettings {
  readonly momentum: number;
  readonly weightDecay: number;
}

/** Root mean square of an AdamW step, in learning rates. */
const adamLength = 0.2;

export function muonLength(rows: number, columns: number): number {
  return adamLength * Math.sqrt(Math.max(rows, columns));
}
