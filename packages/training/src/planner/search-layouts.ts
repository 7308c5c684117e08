/** Every layout of a task: those that fit, quickest first, and what the closest of the others lacks. */
import { type LayoutProblem, checkLayout, divisorsOf, greatestCommonDivisor } from './check-layout.ts';
import { type Layout, type TrainingTask, describeLayout } from './layout.ts';
import { type LayoutMemory, layoutMemory, reservedBytes } from './layout-memory.ts';
import { type LayoutTime, layoutTime } from './layout-time.ts';
import type { ModelShape } from './model-shape.ts';
import type { ZeroStage } from '../parallel/index.ts';

export interface Candidate {
  readonly layout: Layout;
  readonly memory: LayoutMemory;
  readonly time: LayoutTime;
}

/** What the user holds fixed. */
export type LayoutWish = Partial<Omit<Layout, 'data' | 'sequenceParallel'>>;

export interface Search {
  readonly fitting: readonly Candidate[];
  /** Of those that do not fit, the one with the least memory. */
  readonly leastMemory: Candidate | undefined;
  /** All that do not fit. */
  readonly over: readonly Omit<Candidate, 'time'>[];
  /** Why a layout that was named in full is none; empty when the search was free. */
  readonly problems: readonly LayoutProblem[];
  readonly considered: number;
}

export const usableBytes = ({ device }: Pick<TrainingTask, 'device'>): number =>
  device.memoryBytes - reservedBytes(device.memoryBytes);

export function searchLayouts(task: TrainingTask, wish: LayoutWish = {}): Search {
  const fitting: Candidate[] = [];
  const usable = usableBytes(task);
  const over: Omit<Candidate, 'time'>[] = [];
  let leastMemory: Candidate | undefined;
  let considered = 0;
  const problems = new Map<string, LayoutProblem>();
  for (const layout of layoutsOf(task, wish)) {
    const found = checkLayout(task, layout);
    if (found.length > 0) {
      for (const problem of found) problems.set(problem.message, problem);
      continue;
    }
    considered += 1;
    const memory = layoutMemory(task, layout);
    const fits = memory.total <= usable;
    if (!fits) over.push({ layout, memory });
    if (!fits && leastMemory !== undefined && leastMemory.memory.total <= memory.total) continue;
    const candidate = { layout, memory, time: layoutTime(task, layout) };
    if (fits) fitting.push(candidate);
    else leastMemory = candidate;
  }
  fitting.sort((one, other) => one.time.total - other.time.total || simpler(one.layout, other.layout));
  return {
    fitting,
    leastMemory,
    over,
    problems: considered === 0 ? [...problems.values()] : [],
    considered,
  };
}

/** Of equals the one with fewer devices in lockstep and fewer techniques. */
function simpler(one: Layout, other: Layout): number {
  const parts = ({ tensor, pipeline, zero, virtualStages, expert = 1 }: Layout): number =>
    tensor * pipeline * virtualStages * expert + zero / 4;
  return parts(one) - parts(other) || describeLayout(one).localeCompare(describeLayout(other));
}

const maxMicroBatch = 64;

function* layoutsOf(task: TrainingTask, wish: LayoutWish): Generator<Layout> {
  const { model, device, devices, batch, software } = task;
  const among = <T>(wished: T | undefined, all: readonly T[]): readonly T[] =>
    wished === undefined ? all : [wished];
  const tensors = divisorsOf(device.devicesPerNode).filter((tensor) => devices % tensor === 0);
  for (const tensor of among(wish.tensor, tensors)) {
    const stages = divisorsOf(model.layers).filter((pipeline) => devices % (tensor * pipeline) === 0);
    // What divides nothing is still looked at once, so that it can be said why.
    for (const pipeline of among(wish.pipeline, stages.length > 0 ? stages : [1])) {
      const data = Math.max(1, Math.floor(devices / (tensor * pipeline)));
      const perStage = model.layers / pipeline;
      const chunks = pipeline === 1 || !Number.isInteger(perStage) ? [1] : divisorsOf(perStage);
      const microBatches = divisorsOf(batch).filter(
        (size) => size <= maxMicroBatch && batch % (data * size) === 0,
      );
      for (const [microBatch, expert] of pairs(
        among(wish.microBatch, microBatches.length > 0 ? microBatches : [1]),
        among(wish.expert, expertChoices(model, data, tensor)),
      ))
        for (const virtualStages of among(wish.virtualStages, chunks))
          for (const zero of among(wish.zero, zeroChoices(data, pipeline)))
            for (const recompute of among(wish.recompute, recomputeChoices[software.attention]))
              for (const offload of among(wish.offload, offloadChoices[zero === 0 ? 'whole' : 'shared']))
                yield {
                  data,
                  tensor,
                  pipeline,
                  virtualStages,
                  zero,
                  recompute,
                  offload,
                  microBatch,
                  sequenceParallel: tensor > 1,
                  ...(expert === 1 ? {} : { expert }),
                };
    }
  }
}

function pairs<One, Other>(
  ones: readonly One[],
  others: readonly Other[],
): readonly (readonly [One, Other])[] {
  return ones.flatMap((one) => others.map((other) => [one, other] as const));
}

function expertChoices({ experts }: ModelShape, data: number, tensor: number): readonly number[] {
  if (experts === undefined || experts.count % tensor !== 0) return [1];
  return divisorsOf(greatestCommonDivisor(data, experts.count / tensor));
}

function zeroChoices(data: number, pipeline: number): readonly ZeroStage[] {
  if (data === 1) return [0];
  return pipeline > 1 ? [0, 1] : [0, 1, 2, 3];
}

const offloadChoices: Readonly<Record<'whole' | 'shared', readonly Layout['offload'][]>> = {
  whole: ['none'],
  shared: ['none', 'optimizer'],
};

/** Without stored scores there is nothing that selective recompute would save. */
const recomputeChoices = { scores: ['none', 'selective', 'full'], flash: ['none', 'full'] } as const;
