/** Which data-parallel rank owns which elements of a stage: what it keeps under ZeRO, and what it saves. */
import { aligned, type StageLayout, type StageParameter, type StageUnit } from './stage-layout.ts';

export interface UnitOwner {
  /** Place among the ranks that have the unit, and how many they are. */
  readonly index: number;
  readonly count: number;
}

/** A place among data-parallel ranks. */
export interface DataPlace {
  readonly dataIndex: number;
  readonly data: number;
  readonly expert?: number;
}

/** All data-parallel ranks own a part of a unit; of experts, those that have the same ones. */
export function ownerOf(
  { kind }: Pick<StageUnit, 'kind'>,
  { dataIndex, data, expert = 1 }: DataPlace,
): UnitOwner {
  if (kind !== 'experts') return { index: dataIndex, count: data };
  return { index: Math.floor(dataIndex / expert), count: data / expert };
}

/** Elements [from, to) of the flat buffer that an owner has of a unit. */
export function ownedPart(
  unit: { readonly from: number; readonly to: number },
  { index, count }: UnitOwner,
): { from: number; to: number } {
  const part = aligned(Math.ceil((unit.to - unit.from) / count));
  const from = Math.min(unit.to, unit.from + part * index);
  return { from, to: Math.min(unit.to, from + part) };
}

/** The parts of all owners, counted from the unit's start. */
export function ownedParts(unit: StageUnit, place: DataPlace): { from: number; to: number }[] {
  const { count } = ownerOf(unit, place);
  return Array.from({ length: count }, (_, index) => {
    const { from, to } = ownedPart(unit, { index, count });
    return { from: from - unit.from, to: to - unit.from };
  });
}

export interface OwnedSpan {
  readonly unit: StageUnit;
  /** Of the stage's flat buffer. */
  readonly from: number;
  readonly to: number;
  /** Where it lies in the owner's own buffer, all its spans in a row. */
  readonly at: number;
}

/** Whether values of a kind are kept of a parameter at all. */
export type KeptOf = (unit: StageUnit, parameter: StageParameter) => boolean;

export interface OwnedSpans {
  readonly spans: readonly OwnedSpan[];
  /** Elements of all of them. */
  readonly length: number;
}

/** All that one data-parallel rank owns; with `keeps` only of those parameters, the rest takes no room. */
export function ownedSpans(layout: StageLayout, place: DataPlace, keeps?: KeptOf): OwnedSpans {
  let at = 0;
  const spans = layout.units.flatMap((unit): OwnedSpan[] => {
    const part = ownedPart(unit, ownerOf(unit, place));
    const ranges =
      keeps === undefined
        ? [part]
        : unit.parameters.flatMap((parameter) => (keeps(unit, parameter) ? within(parameter, part) : []));
    return ranges.map(({ from, to }) => {
      const span = { unit, from, to, at };
      at += aligned(to - from);
      return span;
    });
  });
  return { spans, length: at };
}

function within(
  { offset, length }: StageParameter,
  part: { readonly from: number; readonly to: number },
): { from: number; to: number }[] {
  const [from, to] = [Math.max(part.from, offset), Math.min(part.to, offset + length)];
  return from < to ? [{ from, to }] : [];
}
