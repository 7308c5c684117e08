import { RelativeError } from '../relative-error.ts';
import type { Matrix } from './dense-layers.ts';

export interface Int8Columns {
  readonly values: Int8Array;
  readonly scales: Float32Array;
  /** Root of the mean squared error, relative to the weights' own root mean square. */
  readonly relativeError: number;
}

/** Symmetric, a scale for each column: the largest value of a column becomes 127. */
export function int8Columns({ rows, columns, at }: Matrix): Int8Columns {
  const values = new Int8Array(rows * columns);
  const scales = new Float32Array(columns);
  const error = new RelativeError();
  for (let column = 0; column < columns; column++) {
    let largest = 0;
    for (let row = 0; row < rows; row++) largest = Math.max(largest, Math.abs(at(row, column)));
    const scale = largest === 0 ? 1 : largest / 127;
    scales[column] = scale;
    for (let row = 0; row < rows; row++) {
      const value = at(row, column);
      const rounded = Math.round(value / scale);
      values[row * columns + column] = rounded;
      error.add(value, rounded * scale);
    }
  }
  return { values, scales, relativeError: error.value };
}
