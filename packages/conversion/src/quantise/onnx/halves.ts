import type { Matrix } from './dense-layers.ts';
import { RelativeError } from '../relative-error.ts';

export function halvesOf({ rows, columns, at }: Matrix): {
  readonly halves: Float16Array;
  readonly relativeError: number;
} {
  const halves = new Float16Array(rows * columns);
  const error = new RelativeError();
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      // Beyond the largest half lies infinity: kept within.
      const value = Math.max(-65_504, Math.min(65_504, at(row, column)));
      halves[row * columns + column] = value;
      error.add(at(row, column), halves[row * columns + column] as number);
    }
  return { halves, relativeError: error.value };
}
