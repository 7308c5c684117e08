/** Every way to spread a training over processes of one machine that was calibrated: quickest first, as far as it fits. */
import { countOf } from '@gantry/kit';
import { ShapeError } from '../../model/transformer-shape.ts';
import type { TransformerConfig } from '../../model/transformer-config.ts';
import { checkParallelSizes } from '../../parallel/index.ts';
import { divisorsOf } from '../check-layout.ts';
import type { ZeroStage } from '../../parallel/index.ts';
import type { OwnCalibration } from './own-calibration.ts';
import { ownMemory, type OwnMemory } from './own-memory.ts';
import { oneRank, type OwnLayout, type OwnRun } from './own-run.ts';
import { ownStep, type OwnStep } from './own-step.ts';

export interface OwnTask {
  readonly config: TransformerConfig;
  readonly sequenceLength: number;
  /** Sequences of a step, over all ranks. */
  readonly batch: number;
  readonly ranks: number;
  readonly calibration: OwnCalibration;
}

export interface OwnWish {
  readonly tensor?: number | undefined;
  readonly pipeline?: number | undefined;
  readonly chunks?: number | undefined;
  /** Sequences that a rank works on at once. */
  readonly microBatch?: number | undefined;
  readonly zero?: ZeroStage | undefined;
  readonly recompute?: OwnLayout['recompute'] | undefined;
  readonly optimizer?: OwnLayout['optimizer'] | undefined;
}

export interface OwnCandidate {
  readonly run: OwnRun;
  /** Of the fullest rank. */
  readonly memory: OwnMemory;
  readonly step: OwnStep;
}

export interface OwnSearch {
  /** As many as were asked for. */
  readonly fitting: readonly OwnCandidate[];
  /** Where nothing fits: what needs least. */
  readonly leastMemory: OwnCandidate | undefined;
  /** Where nothing divides. */
  readonly problem: { readonly message: string; readonly hint: string } | undefined;
  readonly considered: number;
}

/** Memory is planned graph by graph, which takes a moment: in the order of time, until there are enough. */
export function searchOwnLayouts(task: OwnTask, wish: OwnWish, wanted: number): OwnSearch {
  const { calibration } = task;
  const problems: ShapeError[] = [];
  const runs = [...runsOf(task, wish)].filter(({ layout, config }) => {
    try {
      checkParallelSizes(layout, config, task.ranks);
      return true;
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      problems.push(error);
      return false;
    }
  });
  const byTime = runs
    .map((run) => ({ run, step: ownStep(calibration.step, run) }))
    .sort((one, other) => one.step.total - other.step.total || rank(one.run) - rank(other.run));
  const fitting: OwnCandidate[] = [];
  let leastMemory: OwnCandidate | undefined;
  for (const timed of byTime) {
    const memory = ownMemory(calibration.memory, timed.run);
    const candidate = { ...timed, memory };
    if (memory.total * task.ranks <= calibration.memoryBytes) fitting.push(candidate);
    else if (leastMemory === undefined || memory.total < leastMemory.memory.total) leastMemory = candidate;
    if (fitting.length === wanted) break;
  }
  const [problem] = problems;
  return {
    fitting,
    leastMemory: fitting.length === 0 ? leastMemory : undefined,
    problem: runs.length === 0 ? (problem ?? nothingDivides(task)) : undefined,
    considered: runs.length,
  };
}

/** Of equals the one with fewer techniques. */
const rank = ({ layout: { tensor, pipeline, zero, recompute } }: OwnRun): number =>
  tensor * pipeline + zero / 4 + (recompute === 'none' ? 0 : 1);

function nothingDivides({ batch, ranks }: OwnTask): { message: string; hint: string } {
  const below = Math.floor(batch / ranks) * ranks;
  const near = [below, below + ranks].filter((count) => count > 0);
  return {
    message: `A batch of ${countOf(batch, 'sequence')} does not divide among ${ranks} data-parallel ranks.`,
    hint: `Nearest batches: ${near.join(' and ')}.`,
  };
}

/** Longer runs of a graph gain nothing and keep more. */
const mostTokens = 8_192;

function* runsOf(
  { config, sequenceLength, batch, ranks, calibration }: OwnTask,
  wish: OwnWish,
): Generator<OwnRun> {
  const among = <T>(wished: T | undefined, all: readonly T[]): readonly T[] =>
    wished === undefined ? all : [wished];
  for (const tensor of among(wish.tensor, divisorsOf(ranks)))
    for (const pipeline of among(wish.pipeline, divisorsOf(ranks))) {
      const data = Math.floor(ranks / (tensor * pipeline));
      if (data < 1 || batch % data !== 0) continue;
      const each = batch / data;
      const sizes = divisorsOf(each).filter((size) => size === 1 || size * sequenceLength <= mostTokens);
      for (const sequences of among(wish.microBatch, sizes))
        for (const chunks of among(wish.chunks, pipeline > 1 ? [1, 2] : [1]))
          for (const zero of among(wish.zero, data > 1 ? ([0, 1, 2, 3] as const) : ([0] as const)))
            for (const recompute of among(wish.recompute, ['none', 'layer'] as const)) {
              const microBatches = each / sequences;
              if (!Number.isInteger(microBatches) || (chunks > 1 && microBatches % pipeline !== 0)) continue;
              const layout: OwnLayout = {
                ...oneRank,
                data,
                tensor,
                pipeline,
                zero,
                recompute,
                microBatches,
                ...(chunks > 1
                  ? {
                      chunks,
                      schedule: 'interleaved' as const,
                    }
                  : {}),
                optimizer: wish.optimizer ?? 'adamw',
              };
              yield { config, sequences, time: sequenceLength, layout, dialect: calibration.dialect };
            }
    }
}
