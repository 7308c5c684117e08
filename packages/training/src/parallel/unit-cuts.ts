/**
 * What of a unit travels at once: nothing that every rank keeps anyway, and no more than fits in a bucket. Small
 * parameters that are kept lie packed, those of one owner in a row, so that one gather brings them all.
 */
import { aligned, type StageParameter, type StageUnit } from './stage-layout.ts';

/** Elements [from, to). */
interface Range {
  readonly from: number;
  readonly to: number;
}

export interface CutLimits {
  readonly bucketElements?: number | undefined;
  readonly persistentElements?: number | undefined;
}

/** Ranges counted from the unit's start, in order; together with what is kept they are all its parameters. */
export function unitCuts(unit: StageUnit, { bucketElements, persistentElements }: CutLimits): Range[] {
  const cuts: Range[] = [];
  const add = (from: number, to: number): void => {
    const step = bucketElements ?? Math.max(1, to - from);
    for (let at = from; at < to; at += step) cuts.push({ from: at, to: Math.min(to, at + step) });
  };
  let at = 0;
  for (const { offset, length } of keptOf(unit, persistentElements)) {
    add(at, offset - unit.from);
    at = offset - unit.from + aligned(length);
  }
  add(at, unit.to - unit.from);
  return cuts;
}

/** What of each owner's part lies in the cut, counted from its start. */
export function partsWithin(parts: readonly Range[], { from, to }: Range): Range[] {
  const within = (at: number): number => Math.min(to, Math.max(from, at)) - from;
  return parts.map((part) => ({ from: within(part.from), to: within(part.to) }));
}

/** Elements [from, to) of a unit, counted from its start, that lie packed from `at` on; all of one owner. */
export interface PackedPiece extends Range {
  readonly unit: StageUnit;
  readonly at: number;
}

export interface PackedParameters {
  readonly pieces: readonly PackedPiece[];
  /** By owner: what is its own of all that is packed. */
  readonly parts: readonly Range[];
  readonly length: number;
  readonly parameters: number;
}

/** `partsOf` has as many parts of each unit as there are owners. */
export function packPersistent(
  units: readonly StageUnit[],
  owners: number,
  partsOf: (unit: StageUnit) => readonly Range[],
  persistentElements: number,
): PackedParameters {
  const pieces: PackedPiece[] = [];
  const parts: Range[] = [];
  let at = 0;
  for (let owner = 0; owner < owners; owner += 1) {
    const start = at;
    for (const unit of units) {
      const part = partsOf(unit)[owner] as Range;
      for (const { offset, length } of keptOf(unit, persistentElements)) {
        const from = Math.max(part.from, offset - unit.from);
        const to = Math.min(part.to, offset - unit.from + length);
        if (from >= to) continue;
        pieces.push({ unit, from, to, at });
        at += to - from;
      }
    }
    parts.push({ from: start, to: at });
  }
  const parameters = units.reduce((sum, unit) => sum + keptOf(unit, persistentElements).length, 0);
  return { pieces, parts, length: at, parameters };
}

function keptOf({ parameters }: StageUnit, persistentElements = 0): StageParameter[] {
  return parameters.filter(({ length }) => length <= persistentElements);
}
