/** How data-parallel ranks bring their gradients together, where it is not one all-reduce at the end of a step. */
import type { StageUnit } from '@gantry/training/parallel';

export interface GradientSum {
  /** `values` becomes the sum over the ranks as the method gives it: the same bits on all of them. */
  sum(values: Float32Array): Promise<void>;
  /** A unit's gradients are whole on this rank: all ranks say it of the same units in the same order. */
  ready?(unit: StageUnit): void;
  /** What this rank has kept back for later sums, at the places of the gradients. */
  readonly owed?: Float32Array;
  /** Of the last sum: length of what this rank left out, over the length of what it had. */
  readonly leftOut?: number;
  /** Of the last sum: sum of squares of this rank's own gradients, where they were seen one after the other only. */
  readonly ownSquaredNorm?: number | undefined;
}

/** ‖part‖ / ‖whole‖ of squared lengths; 0 where there is nothing. */
export function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.sqrt(part / whole);
}
