import { createRandom } from '@gantry/kit';
import { expect, it } from 'vitest';
import { adafactorRate, addSquares, moveByFactors, squaredUpdate, type FactoredPiece } from './adafactor.ts';

const [rows, columns, scale] = [7, 5, 0.5];
const random = createRandom(3);
const gradients = Float32Array.from({ length: rows * columns }, () => random.next() - 0.5);

/** The update as algorithm 4 has it, before it is clipped: G / √(R Cᵀ / mean R). */
function textbookUpdate(): number[] {
  const square = (row: number, column: number): number =>
    ((gradients[row * columns + column] as number) * scale) ** 2 + 1e-30;
  const mean = (count: number, of: (index: number) => number): number =>
    Array.from({ length: count }, (_, index) => of(index)).reduce((sum, value) => sum + value, 0) / count;
  const r = Array.from({ length: rows }, (_, row) => mean(columns, (column) => square(row, column)));
  const c = Array.from({ length: columns }, (_, column) => mean(rows, (row) => square(row, column)));
  const all = mean(rows, (row) => r[row] as number);
  return Array.from(gradients, (gradient, index) => {
    const variance = ((r[Math.floor(index / columns)] as number) * (c[index % columns] as number)) / all;
    return (gradient * scale) / Math.sqrt(variance);
  });
}

for (const cuts of [[], [1, 12, 13, 30]]) {
  it(`Adafactor moves a matrix in ${cuts.length + 1} pieces as the paper's algorithm does`, () => {
    const edges = [0, ...cuts, gradients.length];
    const pieces = edges.slice(1).map((to, index): FactoredPiece => {
      const from = edges[index] as number;
      return { gradients: gradients.subarray(from, to), from, columns, scale };
    });
    const sums = { rows: new Float64Array(rows), columns: new Float64Array(columns) };
    for (const piece of pieces) addSquares(piece, sums);
    const mean = sums.rows.reduce((sum, value) => sum + value, 0) / columns / rows;
    const roots = {
      rows: sums.rows.map((sum) => 1 / Math.sqrt(sum / columns / mean)),
      columns: sums.columns.map((sum) => 1 / Math.sqrt(sum / rows)),
    };
    const expected = textbookUpdate();
    const squared = pieces.reduce((sum, piece) => sum + squaredUpdate(piece, roots), 0);
    expect(squared).toBeCloseTo(
      expected.reduce((sum, value) => sum + value ** 2, 0),
      8,
    );
    const parameters = new Float32Array(gradients.length).fill(1);
    for (const piece of pieces) {
      const own = parameters.subarray(piece.from, piece.from + piece.gradients.length);
      moveByFactors(own, piece, roots, { rate: 0.1, keep: 0.9 });
    }
    for (const [index, value] of parameters.entries())
      expect(value).toBeCloseTo(0.9 - 0.1 * (expected[index] as number), 6);
  });
}

it('Adafactor steps are relative to the length of what moves, and shorten with the root of the step', () => {
  expect(adafactorRate(1, 0.01, 2)).toBeCloseTo(0.02);
  expect(adafactorRate(1_000_000, 0.01, 2)).toBeCloseTo(0.002);
  expect(adafactorRate(1, 0.01, 0)).toBeCloseTo(1e-5);
});
