/**
 * Adafactor (Shazeer and Stern 2018, algorithms 4 and 5) without a first moment: the second moment of a matrix is the
 * product of its rows' and its columns' means, so the state of an R × C matrix is R + C numbers. As
 * torch.optim.Adafactor, with the paper's ε₁ added to the squares. A matrix may be spread: every function takes a
 * piece of one, and what several ranks have is added between the calls.
 */
export interface AdafactorSettings {
  /** ε₁, added to each squared gradient. */
  readonly squareFloor: number;
  /** ε₂: the smallest length of a parameter that steps are measured by. */
  readonly lengthFloor: number;
  /** The longest update, root mean square: d. */
  readonly clip: number;
  /** The share of the new squares falls as step to this power. */
  readonly decayPower: number;
}

export const adafactorDefaults: AdafactorSettings = {
  squareFloor: 1e-30,
  lengthFloor: 1e-3,
  clip: 1,
  decayPower: -0.8,
};

/** Elements [from, from + gradients.length) of a matrix of `columns` columns, rows first. */
export interface FactoredPiece {
  readonly gradients: Float32Array;
  readonly from: number;
  readonly columns: number;
  /** Multiplies every gradient first: the clip factor. */
  readonly scale: number;
}

/** Share of this step's squares in the moments; `step` counts from 1. */
export function adafactorDecay(step: number, { decayPower } = adafactorDefaults): number {
  return step ** decayPower;
}

/** How far a parameter of this root mean square moves, before the update's own length is looked at. */
export function adafactorRate(
  step: number,
  learningRate: number,
  length: number,
  { lengthFloor } = adafactorDefaults,
): number {
  return Math.max(lengthFloor, length) * Math.min(learningRate, 1 / Math.sqrt(step));
}

/** Adds the squares of a piece to the sums of its rows and of its columns. */
export function addSquares(
  piece: FactoredPiece,
  into: { readonly rows: Float64Array; readonly columns: Float64Array },
  { squareFloor } = adafactorDefaults,
): void {
  const { gradients, scale } = piece;
  eachRow(piece, (row, column, from, to) => {
    let sum = 0;
    for (let index = from; index < to; index += 1) {
      const square = ((gradients[index] as number) * scale) ** 2 + squareFloor;
      sum += square;
      into.columns[column + index - from] = (into.columns[column + index - from] as number) + square;
    }
    into.rows[row] = (into.rows[row] as number) + sum;
  });
}

/** Square roots of the factors, inverted: an update is gradient · rows[r] · columns[c]. */
export interface InverseRoots {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
}

/** Sum of the squares of a piece's update. */
export function squaredUpdate(piece: FactoredPiece, roots: InverseRoots): number {
  const { gradients, scale } = piece;
  let total = 0;
  eachRow(piece, (row, column, from, to) => {
    let sum = 0;
    for (let index = from; index < to; index += 1)
      sum += ((gradients[index] as number) * (roots.columns[column + index - from] as number)) ** 2;
    total += sum * ((roots.rows[row] as number) * scale) ** 2;
  });
  return total;
}

/** Moves a piece of the parameters: `rate` along its update, after the decay. */
export function moveByFactors(
  parameters: Float32Array,
  piece: FactoredPiece,
  roots: InverseRoots,
  { rate, keep }: { readonly rate: number; readonly keep: number },
): void {
  const { gradients, scale } = piece;
  eachRow(piece, (row, column, from, to) => {
    const factor = rate * scale * (roots.rows[row] as number);
    for (let index = from; index < to; index += 1)
      parameters[index] =
        (parameters[index] as number) * keep -
        factor * (gradients[index] as number) * (roots.columns[column + index - from] as number);
  });
}

/** `visit(row, column, from, to)`: elements [from, to) of the piece are those of `row` from `column` on. */
function eachRow(
  { gradients, from, columns }: FactoredPiece,
  visit: (row: number, column: number, from: number, to: number) => void,
): void {
  for (let at = 0; at < gradients.length;) {
    const row = Math.floor((from + at) / columns);
    const column = (from + at) % columns;
    const to = Math.min(gradients.length, at + columns - column);
    visit(row, column, at, to);
    at = to;
  }
}
