/** Units between the ranks that own parts of them, cut as the limits say, with what that came to. */
import { partsWithin, unitCuts, type StageUnit, type ZeroLimits } from '@gantry/training/parallel';
import type { Part, ProcessGroup } from '../group/index.ts';

/** A unit's values, whole or at least its own part, and the ranks that share it. */
export interface SharedUnit {
  readonly unit: StageUnit;
  readonly values: Float32Array;
  readonly group: ProcessGroup;
  /** By owner, counted from the unit's start. */
  readonly parts: readonly Part[];
}

/** One collective of a unit. */
interface UnitCall {
  readonly values: Float32Array;
  readonly parts: readonly Part[];
}

/** Something that gathers: the group itself, or one that does it beside the rank's computing. */
export type Gatherer = Pick<ProcessGroup, 'allGather'>;
export type Scatterer = Pick<ProcessGroup, 'reduceScatterSum'>;

export class UnitExchange {
  /** Elements of the largest sum and the largest gather, how many gathers there were, and layers that came early. */
  readonly figures = { largestSum: 0, largestGather: 0, gathers: 0, early: 0 };
  readonly #limits: ZeroLimits;

  constructor(limits: ZeroLimits | undefined) {
    this.#limits = limits ?? {};
  }

  /** Afterwards each owner has the sum of its part; the rest holds partial sums. `beside` as for `gatherUnkept`. */
  async scatterSum(shared: SharedUnit, beside?: Scatterer): Promise<void> {
    const all = calls(shared, { bucketElements: this.#limits.reduceElements });
    for (const { values } of all) this.figures.largestSum = Math.max(this.figures.largestSum, values.length);
    if (beside !== undefined)
      await Promise.all(all.map(({ values, parts }) => beside.reduceScatterSum(values, parts)));
    else for (const { values, parts } of all) await shared.group.reduceScatterSum(values, parts);
  }

  /** Afterwards all have all. */
  async gather(shared: SharedUnit): Promise<void> {
    for (const { values, parts } of this.#counted(shared, { bucketElements: this.#limits.gatherElements }))
      await shared.group.allGather(values, parts);
  }

  /** The same of what is not kept whole anyway. `beside` takes all of it at once: who waits for it may compute. */
  async gatherUnkept(shared: SharedUnit, beside?: Gatherer): Promise<void> {
    const { gatherElements: bucketElements, persistentElements } = this.#limits;
    const all = this.#counted(shared, { bucketElements, persistentElements });
    if (beside !== undefined)
      await Promise.all(all.map(({ values, parts }) => beside.allGather(values, parts)));
    else for (const { values, parts } of all) await shared.group.allGather(values, parts);
  }

  #counted(shared: SharedUnit, limits: Parameters<typeof unitCuts>[1]): UnitCall[] {
    const all = calls(shared, limits);
    const { figures } = this;
    figures.gathers += all.length;
    for (const { values } of all) figures.largestGather = Math.max(figures.largestGather, values.length);
    return all;
  }
}

function calls({ unit, values, parts }: SharedUnit, limits: Parameters<typeof unitCuts>[1]): UnitCall[] {
  return unitCuts(unit, limits).map((cut) => ({
    values: values.subarray(cut.from, cut.to),
    parts: partsWithin(parts, cut),
  }));
}
