/** A search's result in sentences: what limits the best layout, what it wins by, or by how much nothing fits. */
import { type DeviceProfile, deviceProfiles } from './device-profile.ts';
import { type Layout, type TrainingTask, describeLayout } from './layout.ts';
import type { LayoutMemory } from './layout-memory.ts';
import type { LayoutTime } from './layout-time.ts';
import { type Candidate, type Search, searchLayouts, usableBytes } from './search-layouts.ts';

const timeParts = {
  compute: 'matrix products and kernels',
  recompute: 'recomputed activations',
  tensor: 'tensor-parallel exchange',
  expert: 'tokens on their way to experts',
  pipeline: 'sends between stages',
  bubble: 'the pipeline bubble',
  data: 'exchange of gradients and parameters',
  optimiser: 'the optimiser step',
} as const satisfies Partial<Record<keyof LayoutTime, string>>;

export type TimePart = keyof typeof timeParts;

/** What most of the time above the necessary products goes to. */
export const bindingLimit = ({ time }: Candidate): ReturnType<typeof largestTimePart> =>
  largestTimePart(time);

export function largestTimePart(time: Readonly<Record<TimePart | 'total', number>>): {
  readonly part: TimePart;
  readonly sentence: string;
} {
  const overheads = (Object.keys(timeParts) as TimePart[]).filter((part) => part !== 'compute');
  const largest = overheads.toSorted((one, other) => time[other] - time[one])[0] ?? 'compute';
  const share = time[largest] / time.total;
  if (share < 0.05)
    return {
      part: 'compute',
      sentence: `Bound by compute: ${percent(time.compute / time.total)} of the step.`,
    };
  return {
    part: largest,
    sentence: `After compute, ${timeParts[largest]} cost most: ${percent(share)} of the step.`,
  };
}

/** Against the quickest of each other kind of layout that fits. */
export function whyItWins(best: Candidate, others: readonly Candidate[]): readonly string[] {
  const seen = new Set([familyOf(best.layout)]);
  const sentences: string[] = [];
  for (const other of others) {
    const family = familyOf(other.layout);
    if (seen.has(family)) continue;
    seen.add(family);
    const worst = (Object.keys(timeParts) as TimePart[]).toSorted(
      (one, two) => other.time[two] - best.time[two] - (other.time[one] - best.time[one]),
    )[0];
    const slower = other.time.total / best.time.total - 1;
    if (worst !== undefined)
      sentences.push(`${describeLayout(other.layout)} takes ${percent(slower)} longer: ${timeParts[worst]}.`);
    if (sentences.length === 3) break;
  }
  return sentences;
}

const familyOf = ({ tensor, pipeline, expert = 1 }: Layout): string => `${tensor}/${pipeline}/${expert}`;

/** Nothing fits: by how much, and what would. */
export function whyNothingFits(
  task: TrainingTask,
  search: Search,
): { readonly message: string; readonly hints: readonly string[] } {
  const { leastMemory } = search;
  if (leastMemory === undefined) {
    const [first] = search.problems;
    return {
      message: first?.message ?? 'No layout divides this model among these devices.',
      hints: search.problems.map(({ hint }) => hint),
    };
  }
  const usable = usableBytes(task);
  const { memory, layout } = leastMemory;
  const message =
    `Nothing fits: the smallest layout (${describeLayout(layout)}) needs ${gib(memory.total)} of the ` +
    `${gib(usable)} usable on ${task.device.name}, ${gib(memory.total - usable)} too much; ${largestPart(memory)}.`;
  return { message, hints: whatWouldFit(task) };
}

function largestPart(memory: LayoutMemory): string {
  const parts = ['parameters', 'gradients', 'optimiser', 'activations', 'buffers'] as const;
  const most = parts.toSorted((one, other) => memory[other] - memory[one])[0] ?? 'parameters';
  return `most of it ${most} (${gib(memory[most])})`;
}

/** More devices, larger ones, a shorter sequence: each the smallest change of its kind that fits. */
function whatWouldFit(task: TrainingTask): readonly string[] {
  const fits = (change: Partial<TrainingTask>): boolean =>
    searchLayouts({ ...task, ...change }).fitting.length > 0;
  const hints: string[] = [];
  const counts = [2, 4, 8, 16, 32, 64].map((factor) => task.devices * factor);
  // More devices want a batch that divides among them.
  const count = counts.find((devices) => fits({ devices, batch: Math.ceil(task.batch / devices) * devices }));
  if (count !== undefined) hints.push(`${count} × ${task.device.name} would fit.`);
  const larger = deviceProfiles
    .filter(({ memoryBytes }) => memoryBytes > task.device.memoryBytes)
    .find((device: DeviceProfile) => fits({ device }));
  if (larger !== undefined) hints.push(`${task.devices} × ${larger.name} would fit.`);
  const lengths = [2, 4, 8, 16, 32]
    .map((factor) => Math.floor(task.sequenceLength / factor))
    .filter((length) => length >= 128);
  const length = lengths.find((sequenceLength) => fits({ sequenceLength }));
  if (length !== undefined) hints.push(`Sequences of ${length} would fit.`);
  if (hints.length === 0) hints.push('A smaller model is needed.');
  return hints;
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
