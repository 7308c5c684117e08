import { orthogonalGraph } from '@gantry/training/optimizer';
import { expect, it } from 'vitest';
import { createExecutor } from '../executor/index.ts';

it('Muon’s direction keeps the singular vectors and brings every singular value near one, tall or wide', async () => {
  for (const [rows, columns] of [
    [8, 24],
    [24, 8],
  ] as const) {
    const graph = orthogonalGraph(rows, columns);
    const input = Float32Array.from(
      { length: rows * columns },
      (_, index) => Math.sin(index * index * 0.37) * 5,
    );
    const output = new Float32Array(rows * columns);
    const shape = [rows, columns];
    await using executor = await createExecutor({
      model: (prefix) => graph.model(prefix),
      inputs: new Map([[graph.input, { shape, data: input }]]),
      outputs: new Map([[graph.output, { shape, data: output }]]),
    });
    await executor.run();
    const small = Math.min(rows, columns);
    const at = (matrix: Float32Array, one: number, k: number): number =>
      (rows < columns ? matrix[one * columns + k] : matrix[k * columns + one]) as number;
    const product = (left: Float32Array, right: Float32Array, i: number, j: number): number => {
      let sum = 0;
      for (let k = 0; k < Math.max(rows, columns); k += 1) sum += at(left, i, k) * at(right, j, k);
      return sum;
    };
    // Σσᵢ² over the small side: each σ lies in the band where five steps leave it (0.68 to 1.13, Jordan et al.).
    let trace = 0;
    for (let i = 0; i < small; i += 1) trace += product(output, output, i, i);
    expect(trace / small).toBeGreaterThan(0.6 ** 2);
    expect(trace / small).toBeLessThan(1.2 ** 2);
    // The same singular vectors: X·Oᵀ is symmetric.
    for (let i = 0; i < small; i += 1)
      for (let j = 0; j < i; j += 1)
        expect(Math.abs(product(input, output, i, j) - product(input, output, j, i))).toBeLessThan(1e-3);
  }
});
