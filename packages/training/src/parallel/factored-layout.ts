/**
 * Where Adafactor's second moments lie: of each matrix one number a row and one a column, of each vector one an
 * element. The same units as the parameters', named after them, so that a checkpoint reshards them alike. Sums over
 * rows are whole on every tensor rank; those over columns are cut as the columns are.
 */
import type { Parameter } from '../model/parameter-layout.ts';
import { aligned, layoutOf, type StageLayout, type StageParameter, type StageUnit } from './stage-layout.ts';

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
  let length = 0;
  const place = (
    of: StageParameter,
    name: string,
    how: Pick<StageParameter, 'shape' | 'columns'> & { readonly whole: readonly number[] },
  ): StageParameter => {
    const size = product(how.shape);
    const global: Parameter = { ...of.global, name, shape: how.whole, offset: 0, length: product(how.whole) };
    const placed = {
      ...of,
      global,
      name,
      shape: how.shape,
      columns: how.columns,
      offset: length,
      length: size,
    };
    length += aligned(size);
    return placed;
  };
  const units = stage.units.map((unit): StageUnit => {
    const from = length;
    const parameters = unit.parameters.flatMap((parameter) => {
      const { name, shape, columns, global } = parameter;
      if (!isFactored(parameter))
        return [place(parameter, factorNames.elements(name), { shape, columns, whole: global.shape })];
      const [rows, own] = shape as readonly [number, number];
      const whole = global.shape[1] as number;
      return [
        place(parameter, factorNames.rows(name), { shape: [rows], columns: undefined, whole: [rows] }),
        place(parameter, factorNames.columns(name), { shape: [1, own], columns, whole: [1, whole] }),
      ];
    });
    return { ...unit, from, to: length, parameters };
  });
  return layoutOf(units, length, stage);
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}
