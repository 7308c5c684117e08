/**
 * PowerSGD (Vogels et al. 2019, algorithms 1 and 2): of each gradient matrix M the ranks sum P = MQ, make its columns
 * orthonormal, sum Q = MᵀP, and take PQᵀ for the sum of the Ms: rank·(rows + columns) numbers instead of rows·columns.
 * What a rank's share of it leaves out is added to the next step's. Q goes on from step to step, and through checkpoints.
 */
import { createRandom } from '@gantry/kit';
import { gainsFromPower, powerBasisName, type StageLayout } from '@gantry/training/parallel';
import type { ProcessGroup } from '../../group/index.ts';
import { share, type GradientSum } from '../gradient-sum/gradient-sum.ts';

interface Matrix {
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  /** Where its P [rows, rank] and Q [rank, columns] lie among all. */
  readonly p: number;
  readonly q: number;
}

export class PowerSum implements GradientSum {
  leftOut = 0;
  readonly #group: ProcessGroup;
  readonly #rank: number;
  readonly #matrices: readonly Matrix[];
  /** [from, to) of what is sent as it is: vectors, and matrices too small to gain. */
  readonly #plain: readonly (readonly [number, number])[];
  readonly #p: Float32Array;
  readonly #q: Float32Array;
  readonly owed: Float32Array;

  /** `basis` has the Qs of `powerLayout`; zeros are none, and the first sum begins with random ones. */
  constructor(
    group: ProcessGroup,
    { parameters, length }: StageLayout,
    rank: number,
    basis: { readonly layout: StageLayout; readonly values: Float32Array },
  ) {
    this.#group = group;
    this.#rank = rank;
    const matrices: Matrix[] = [];
    const plain: [number, number][] = [];
    let p = 0;
    for (const parameter of parameters) {
      const { name, offset, shape, length: own } = parameter;
      if (!gainsFromPower(parameter, rank)) plain.push([offset, offset + own]);
      else {
        const [rows, columns] = shape as readonly [number, number];
        matrices.push({ offset, rows, columns, p, q: basis.layout.find(powerBasisName(name, rank)).offset });
        p += rows * rank;
      }
    }
    this.#matrices = matrices;
    this.#plain = plain;
    this.#p = new Float32Array(p);
    this.#q = basis.values;
    this.owed = new Float32Array(length);
  }

  async sum(values: Float32Array): Promise<void> {
    const rank = this.#rank;
    const { owed } = this;
    const [p, q] = [this.#p, this.#q];
    this.#begin();
    for (const { offset, rows, columns } of this.#matrices)
      for (let at = offset; at < offset + rows * columns; at += 1)
        owed[at] = (owed[at] as number) + (values[at] as number);
    const rest = this.#plain.reduce((sum, [from, to]) => sum + to - from, 0);
    const together = new Float32Array(p.length + rest);
    p.fill(0);
    for (const one of this.#matrices)
      each(one, rank, (at, row, column) => {
        for (let k = 0; k < rank; k += 1)
          p[row + k] =
            (p[row + k] as number) + (owed[at] as number) * (q[column + k * one.columns] as number);
      });
    together.set(p);
    let place = p.length;
    for (const [from, to] of this.#plain) {
      together.set(values.subarray(from, to), place);
      place += to - from;
    }
    await this.#group.allReduceSum(together);
    p.set(together.subarray(0, p.length));
    place = p.length;
    for (const [from, to] of this.#plain) {
      values.set(together.subarray(place, place + to - from), from);
      place += to - from;
    }
    for (const { p: from, rows } of this.#matrices)
      orthonormalise(p.subarray(from, from + rows * rank), rows, rank);
    q.fill(0);
    for (const one of this.#matrices)
      each(one, rank, (at, row, column) => {
        for (let k = 0; k < rank; k += 1) {
          const place = column + k * one.columns;
          q[place] = (q[place] as number) + (owed[at] as number) * (p[row + k] as number);
        }
      });
    await this.#group.allReduceSum(q);
    let [lost, whole] = [0, 0];
    for (const one of this.#matrices)
      each(one, rank, (at, row, column) => {
        let sum = 0;
        for (let k = 0; k < rank; k += 1)
          sum += (p[row + k] as number) * (q[column + k * one.columns] as number);
        values[at] = sum;
        const had = owed[at] as number;
        const left = had - sum / this.#group.size;
        owed[at] = left;
        lost += left ** 2;
        whole += had ** 2;
      });
    this.leftOut = share(lost, whole);
  }

  /** The same numbers on every rank. */
  #begin(): void {
    if (this.#q.some((value) => value !== 0)) return;
    const random = createRandom(1);
    for (const { q, columns } of this.#matrices)
      for (let at = q; at < q + columns * this.#rank; at += 1) this.#q[at] = random.next() - 0.5;
  }
}

/** Each element of the matrix, with where its row of P and its column of Q begin. */
function each(
  { offset, rows, columns, p, q }: Matrix,
  rank: number,
  visit: (at: number, row: number, column: number) => void,
): void {
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1)
      visit(offset + row * columns + column, p + row * rank, q + column);
}

/** Columns of [rows, rank], by modified Gram-Schmidt; one that the others hold already becomes zero. */
function orthonormalise(p: Float32Array, rows: number, rank: number): void {
  const dot = (one: number, other: number): number => {
    let sum = 0;
    for (let row = 0; row < rows; row += 1)
      sum += (p[row * rank + one] as number) * (p[row * rank + other] as number);
    return sum;
  };
  for (let k = 0; k < rank; k += 1) {
    const before = Math.sqrt(dot(k, k));
    for (let earlier = 0; earlier < k; earlier += 1) {
      const along = dot(k, earlier);
      for (let row = 0; row < rows; row += 1)
        p[row * rank + k] = (p[row * rank + k] as number) - along * (p[row * rank + earlier] as number);
    }
    const length = Math.sqrt(dot(k, k));
    const scale = length > 1e-6 * before ? 1 / length : 0;
    for (let row = 0; row < rows; row += 1) p[row * rank + k] = (p[row * rank + k] as number) * scale;
  }
}
