/**
 * Adafactor over a shard. The moments are a thousandth of the parameters, so every data-parallel rank keeps those of
 * its whole stage; the elements themselves are moved by their owners. What owners (under ZeRO) and tensor ranks see
 * of a matrix is added up unit by unit: its rows' and columns' squares, then the length of its update.
 */
import {
  adafactorDecay,
  adafactorDefaults,
  adafactorRate,
  addSquares,
  moveByFactors,
  squaredUpdate,
  type AdamWStep,
  type FactoredPiece,
} from '@gantry/training/optimizer';
import { factorNames, isFactored, type StageParameter, type StageUnit } from '@gantry/training/parallel';
import type { ProcessGroup } from '../group/index.ts';
import type { ModelShard } from './model-shard.ts';
import type { ShardPiece } from './shard-options.ts';

/** One parameter of the stage; a vector is a matrix of one row whose column moments are its elements'. */
interface Factored {
  readonly parameter: StageParameter;
  /** Undefined of a vector. */
  readonly rowMoments: Float32Array | undefined;
  readonly columnMoments: Float32Array;
  /** Sums of this step's squares, then the inverted roots of the moments. */
  readonly rows: Float64Array;
  readonly columns: Float64Array;
  /** Sums of squares: of the parameter, of its update. */
  readonly squaredLength: Float64Array;
  readonly squaredUpdate: Float64Array;
  /** What this rank moves of it. */
  readonly pieces: readonly ShardPiece[];
}

interface FactoredUnit {
  /** Ranks that own parts of it under ZeRO. */
  readonly owners: ProcessGroup;
  readonly parameters: readonly Factored[];
}

export class AdafactorRule {
  readonly #shard: ModelShard;
  readonly #weightDecay: number;
  readonly #units: readonly FactoredUnit[];

  constructor(shard: ModelShard, weightDecay: number) {
    this.#shard = shard;
    this.#weightDecay = weightDecay;
    const pieces: ShardPiece[] = [];
    shard.eachOwnPiece((piece) => pieces.push(piece));
    this.#units = shard.layout.units.map((unit) => factoredUnit(shard, unit, pieces));
  }

  async apply(step: AdamWStep): Promise<void> {
    for (const unit of this.#units) {
      for (const one of unit.parameters) this.#addSquares(one, step);
      await this.#sum(unit, 'owners', (one) => [one.rows, one.columns, one.squaredLength]);
      await this.#sum(unit, 'columns', (one) => [one.rows, one.squaredLength]);
      for (const one of unit.parameters) {
        takeMoments(one, adafactorDecay(step.step));
        one.squaredUpdate[0] = one.pieces.reduce(
          (sum, piece) => sum + squaredUpdate(this.#gradientsOf(one, piece, step), one),
          0,
        );
      }
      await this.#sum(unit, 'owners', (one) => [one.squaredUpdate]);
      await this.#sum(unit, 'columns', (one) => [one.squaredUpdate]);
      for (const one of unit.parameters) this.#move(one, step);
    }
  }

  #addSquares(one: Factored, step: AdamWStep): void {
    one.rows.fill(0);
    one.columns.fill(0);
    let squaredLength = 0;
    for (const piece of one.pieces) {
      addSquares(this.#gradientsOf(one, piece, step), one);
      squaredLength += this.#shard.arena.squaredNorm(piece.view(this.#shard.parameters));
    }
    one.squaredLength[0] = squaredLength;
  }

  #move(one: Factored, step: AdamWStep): void {
    const { global } = one.parameter;
    const { learningRate } = step;
    const rootMean = ([sum]: Float64Array): number => Math.sqrt((sum as number) / global.length);
    const overLong = Math.max(1, rootMean(one.squaredUpdate) / adafactorDefaults.clip);
    const rate = adafactorRate(step.step, learningRate, rootMean(one.squaredLength)) / overLong;
    const keep = global.decays ? 1 - learningRate * this.#weightDecay : 1;
    for (const piece of one.pieces) {
      const gradients = this.#gradientsOf(one, piece, step);
      moveByFactors(piece.view(this.#shard.parameters), gradients, one, { rate, keep });
    }
  }

  #gradientsOf(
    { parameter, columns }: Factored,
    piece: ShardPiece,
    { gradientScale }: AdamWStep,
  ): FactoredPiece {
    return {
      gradients: piece.view(this.#shard.gradients),
      from: piece.from - parameter.offset,
      columns: columns.length,
      scale: gradientScale,
    };
  }

  /** `owners`: what ZeRO's ranks each have a part of; `columns`: what tensor ranks have columns of. */
  async #sum(
    { owners, parameters }: FactoredUnit,
    over: 'owners' | 'columns',
    numbersOf: (one: Factored) => readonly Float64Array[],
  ): Promise<void> {
    const { groups, zero } = this.#shard;
    if (over === 'owners') {
      if (zero > 0) await sumOver(owners, parameters.flatMap(numbersOf));
      return;
    }
    const cut = parameters.filter(({ parameter }) => parameter.columns !== undefined);
    if (cut.length > 0) await sumOver(groups.tensor, cut.flatMap(numbersOf));
  }
}

function factoredUnit(shard: ModelShard, unit: StageUnit, pieces: readonly ShardPiece[]): FactoredUnit {
  const factors = shard.factors;
  if (factors === undefined) throw new RangeError('this shard keeps no factored moments');
  const momentsOf = (name: string): Float32Array => {
    const { offset, length } = factors.layout.find(name);
    return factors.values.subarray(offset, offset + length);
  };
  const parameters = unit.parameters.map((parameter): Factored => {
    const { name, shape, length } = parameter;
    const hasRows = isFactored(parameter);
    const columnMoments = momentsOf(hasRows ? factorNames.columns(name) : factorNames.elements(name));
    return {
      parameter,
      rowMoments: hasRows ? momentsOf(factorNames.rows(name)) : undefined,
      columnMoments,
      rows: new Float64Array(hasRows ? (shape[0] as number) : 1),
      columns: new Float64Array(hasRows ? (shape[1] as number) : length),
      squaredLength: new Float64Array(1),
      squaredUpdate: new Float64Array(1),
      pieces: pieces.filter((piece) => piece.parameter === parameter),
    };
  });
  return { owners: shard.groupOf(unit), parameters };
}

/** The moments follow this step's means; the sums become what an update is multiplied by. */
function takeMoments({ parameter, rowMoments, columnMoments, rows, columns }: Factored, share: number): void {
  const follow = (moments: Float32Array, sums: Float64Array, count: number): void => {
    for (const [index, before] of moments.entries())
      moments[index] = before + ((sums[index] as number) / count - before) * share;
  };
  const wholeColumns = parameter.global.shape[1] ?? columns.length;
  follow(columnMoments, columns, rows.length);
  const invert = (roots: Float64Array, moments: Float32Array, factor: number): void => {
    for (const [index, moment] of moments.entries()) roots[index] = 1 / Math.sqrt(moment * factor);
  };
  invert(columns, columnMoments, 1);
  if (rowMoments === undefined) {
    rows[0] = 1;
    return;
  }
  follow(rowMoments, rows, wholeColumns);
  const mean = rowMoments.reduce((sum, moment) => sum + moment, 0) / rowMoments.length;
  invert(rows, rowMoments, 1 / mean);
}

async function sumOver(group: ProcessGroup, numbers: readonly Float64Array[]): Promise<void> {
  if (group.size === 1) return;
  const together = Float32Array.from(numbers.flatMap((one) => [...one]));
  await group.allReduceSum(together);
  let at = 0;
  for (const one of numbers) {
    one.set(together.subarray(at, at + one.length));
    at += one.length;
  }
}
