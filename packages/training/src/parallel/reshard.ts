/** Which elements of one layout are which of another: how a checkpoint of any layout is read into any other. */
import type { StageLayout, StageParameter } from './stage-layout.ts';

/** `length` elements that lie in a row in both flat buffers. */
export interface ElementRun {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** Runs from a saved parameter to one of the same name that this rank wants; none when their columns do not meet. */
export function runsBetween(saved: StageParameter, wanted: StageParameter): ElementRun[] {
  const whole = saved.global.shape[1];
  if (whole === undefined || (saved.columns === undefined && wanted.columns === undefined)) {
    return [{ from: saved.offset, to: wanted.offset, length: wanted.length }];
  }
  const have = saved.columns ?? { from: 0, to: whole };
  const want = wanted.columns ?? { from: 0, to: whole };
  const from = Math.max(have.from, want.from);
  const to = Math.min(have.to, want.to);
  if (from >= to) return [];
  const haveWidth = have.to - have.from;
  const wantWidth = want.to - want.from;
  if (haveWidth === to - from && wantWidth === haveWidth) {
    return [{ from: saved.offset, to: wanted.offset, length: wanted.length }];
  }
  return Array.from({ length: wanted.shape[0] as number }, (_, row) => ({
    from: saved.offset + row * haveWidth + from - have.from,
    to: wanted.offset + row * wantWidth + from - want.from,
    length: to - from,
  }));
}

export interface SavedStage {
  readonly tensorIndex: number;
  readonly pipelineIndex: number;
  readonly expertIndex: number;
  readonly layout: StageLayout;
}

export interface StageRuns {
  readonly stage: SavedStage;
  readonly runs: readonly ElementRun[];
}

/** Everything `wanted` needs, by saved stage. What several stages have is taken from one. */
export function runsInto(wanted: StageLayout, saved: readonly SavedStage[]): StageRuns[] {
  const found = new Map<SavedStage, ElementRun[]>();
  for (const parameter of wanted.parameters) {
    const holders = saved.filter(({ layout }) =>
      layout.parameters.some(({ name }) => name === parameter.name),
    );
    const [first] = holders;
    if (first === undefined) throw new RangeError(`nobody saved ${parameter.name}`);
    const isSplit = first.layout.find(parameter.name).columns !== undefined;
    for (const stage of isSplit ? holders : [first]) {
      const runs = runsBetween(stage.layout.find(parameter.name), parameter);
      if (runs.length > 0) found.set(stage, [...(found.get(stage) ?? []), ...runs]);
    }
  }
  return [...found].map(([stage, runs]) => ({ stage, runs }));
}
