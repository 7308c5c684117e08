/** [rows, columns] → [columns, rows] */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  scatter(result, { values, firstRow: 0, rows, columns, from: 0, to: columns });
  return result;
}

/** 256 MiB of single precision. */
const mostValues = 2 ** 26;

/**
 * The same of a matrix that is read in strips, in pieces that are no larger than 256 MiB: what is larger is read again
 * for each piece, whose rows are columns of all strips.
 */
export function* transposedStrips(
  strips: () => Iterable<Float32Array>,
  rows: number,
  columns: number,
): Generator<Float32Array> {
  const perPiece = Math.max(1, Math.floor(mostValues / rows));
  for (let from = 0; from < columns; from += perPiece) {
    const to = Math.min(columns, from + perPiece);
    const piece = new Float32Array((to - from) * rows);
    let firstRow = 0;
    for (const values of strips()) {
      scatter(piece, { values, firstRow, rows, columns, from, to });
      firstRow += values.length / columns;
    }
    yield piece;
  }
}

interface Scattering {
  /** Whole rows of the matrix. */
  readonly values: Float32Array;
  readonly firstRow: number;
  /** Of the matrix. */
  readonly rows: number;
  readonly columns: number;
  /** The columns that are wanted. */
  readonly from: number;
  readonly to: number;
}

/** Columns of a tile: as many places are written at once as a cache holds lines for. */
const tileColumns = 16;

function scatter(result: Float32Array, { values, firstRow, rows, columns, from, to }: Scattering): void {
  const count = values.length / columns;
  for (let tile = from; tile < to; tile += tileColumns) {
    const end = Math.min(to, tile + tileColumns);
    for (let row = 0; row < count; row += 1)
      for (let column = tile; column < end; column += 1)
        result[(column - from) * rows + firstRow + row] = values[row * columns + column] as number;
  }
}
