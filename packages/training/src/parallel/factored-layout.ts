/**
 * Where Adafactor's second moments lie: of each matrix one number a row and one a column, of each vector one an
 * element. The same units as the parameters', named after them, so that a checkpoint reshards them alike. Sums over
 * rows are whole on every tensor rank; those over columns are cut as the columns are.
 */
import { derivedLayout } from './derived-layout.ts';
import type { StageLayout } from './stage-layout.ts';

/** Names of a parameter's moments. */
export const factorNames = {
  rows: (name: string): string => `${name}:rows`,
  columns: (name: string): string => `${name}:columns`,
  elements: (name: string): string => `${name}:elements`,
};

/** One row is a vector: its factors would be itself. */
export function isFactored({ shape }: { readonly shape: readonly number[] }): boolean {
  return shape.length === 2 && (shape[0] as number) > 1;
}

export function factoredLayout(stage: StageLayout): StageLayout {
  return derivedLayout(stage, (parameter) => {
    const { name, shape, columns, global } = parameter;
    if (!isFactored(parameter))
      return [{ name: factorNames.elements(name), shape, columns, whole: global.shape }];
    const [rows, own] = shape as readonly [number, number];
    const whole = global.shape[1] as number;
    return [
      { name: factorNames.rows(name), shape: [rows], columns: undefined, whole: [rows] },
      { name: factorNames.columns(name), shape: [1, own], columns, whole: [1, whole] },
    ];
  });
}
