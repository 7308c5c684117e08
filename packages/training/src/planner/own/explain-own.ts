/** A search over layouts of our own runtime in sentences. */
import { countOf } from '@gantry/kit';
import { largestTimePart, type TimePart } from '../explain.ts';
import type { OwnLayout } from './own-run.ts';
import { type OwnCandidate, type OwnSearch, type OwnTask } from './search-own-layouts.ts';

export function describeOwnLayout(layout: OwnLayout, sequences: number): string {
  const { data, tensor, pipeline, chunks = 1, expert = 1, zero, recompute } = layout;
  return [
    `DP${data}`,
    `TP${tensor}`,
    `PP${pipeline}${chunks > 1 ? `×${chunks}` : ''}`,
    ...(expert > 1 ? [`EP${expert}`] : []),
    ...(zero > 0 ? [`ZeRO${zero}`] : []),
    ...(recompute === 'none' ? [] : ['recompute']),
    `micro-batch ${sequences}`,
  ].join(' · ');
}

export function ownLimit({ step }: OwnCandidate): string {
  return largestTimePart(step).sentence;
}

/** Against the quickest of each other kind of layout that was found to fit. */
export function whyOwnWins(best: OwnCandidate, others: readonly OwnCandidate[]): readonly string[] {
  const kind = ({ run: { layout } }: OwnCandidate): string =>
    `${layout.data}/${layout.tensor}/${layout.pipeline}/${layout.zero}/${layout.recompute}`;
  const seen = new Set([kind(best)]);
  return others
    .filter((other) => !seen.has(kind(other)) && seen.add(kind(other)))
    .slice(0, 3)
    .map((other) => {
      const slower = other.step.total / best.step.total - 1;
      const parts = Object.keys(best.step).filter((part): part is TimePart => part !== 'total');
      const worst = parts.toSorted(
        (one, two) => other.step[two] - best.step[two] - (other.step[one] - best.step[one]),
      )[0];
      const saved = best.memory.total - other.memory.total;
      const name = describeOwnLayout(other.run.layout, other.run.sequences);
      const because =
        slower < 0.001 || worst === undefined ? 'as quick' : `${percent(slower)} longer: ${worst}`;
      return `${name}: ${because}${saved > 0 ? `, ${mib(saved)} less a rank` : ''}.`;
    });
}

export function whyNothingOwnFits(
  { ranks, calibration }: OwnTask,
  { leastMemory, problem }: OwnSearch,
): { readonly message: string; readonly hint: string } {
  if (leastMemory === undefined)
    return problem ?? { message: 'There is no layout.', hint: 'Hold less fixed.' };
  const needed = leastMemory.memory.total * ranks;
  const { run } = leastMemory;
  const fewer = Math.floor(calibration.memoryBytes / leastMemory.memory.total);
  return {
    message:
      `Nothing fits: the smallest layout (${describeOwnLayout(run.layout, run.sequences)}) needs ${mib(needed)} ` +
      `on ${countOf(ranks, 'rank')}, and the machine has ${mib(calibration.memoryBytes)}: ${mib(needed - calibration.memoryBytes)} too much.`,
    hint:
      fewer >= 1
        ? `${countOf(fewer, 'rank')} of that size would fit; so would shorter sequences or a smaller model.`
        : 'A smaller model or shorter sequences would fit, or another machine.',
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString('en')} MiB`;
