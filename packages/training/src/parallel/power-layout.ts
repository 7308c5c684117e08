/**
 * Where PowerSGD's Q lies: of each matrix that it makes smaller as many rows as its rank, cut by columns as the matrix is.
 * Which matrices gain is seen by their whole shapes, so that every layout says the same.
 */
import { derivedLayout } from './derived-layout.ts';
import type { StageLayout, StageParameter } from './stage-layout.ts';

export function powerBasisName(name: string, rank: number): string {
  return `${name}:basis${rank}`;
}

/** Whether rank · (rows + columns) numbers are fewer than the matrix has. */
export function gainsFromPower({ global }: Pick<StageParameter, 'global'>, rank: number): boolean {
  const [rows = 1, columns = 1] = global.shape;
  return global.shape.length === 2 && rank * (rows + columns) < global.length;
}

export function powerLayout(stage: StageLayout, rank: number): StageLayout {
  return derivedLayout(stage, (parameter) => {
    if (!gainsFromPower(parameter, rank)) return [];
    const { name, shape, columns, global } = parameter;
    return [
      {
        name: powerBasisName(name, rank),
        shape: [rank, shape[1] as number],
        columns,
        whole: [rank, global.shape[1] as number],
      },
    ];
  });
}
