/** Values that lie beside the parameters of a stage in other shapes: the same units, so that checkpoints reshard them alike. */
import type { Parameter } from '../model/parameter-layout.ts';
import { aligned, layoutOf, type StageLayout, type StageParameter, type StageUnit } from './stage-layout.ts';

/** What is kept of a parameter under a name of its own. */
export interface DerivedValues extends Pick<StageParameter, 'name' | 'shape' | 'columns'> {
  /** Over all tensor ranks. */
  readonly whole: readonly number[];
}

export function derivedLayout(
  stage: StageLayout,
  derive: (parameter: StageParameter) => readonly DerivedValues[],
): StageLayout {
  let length = 0;
  const units = stage.units.map((unit): StageUnit => {
    const from = length;
    const parameters = unit.parameters.flatMap((of) =>
      derive(of).map(({ name, shape, columns, whole }): StageParameter => {
        const size = product(shape);
        const global: Parameter = { ...of.global, name, shape: whole, offset: 0, length: product(whole) };
        const placed = { ...of, global, name, shape, columns, offset: length, length: size };
        length += aligned(size);
        return placed;
      }),
    );
    return { ...unit, from, to: length, parameters };
  });
  return layoutOf(units, length, stage);
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}
