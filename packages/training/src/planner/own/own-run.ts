/** A training on our own runtime, as far as its memory and time depend on it. */
import type { Dialect } from '../../autodiff/index.ts';
import type { TransformerConfig } from '../../model/transformer-config.ts';
import type { ParallelSizes, PipelineSchedule } from '../../parallel/index.ts';
import type { Optimiser } from '../optimiser-cost.ts';
import type { ZeroStage } from '../../parallel/index.ts';

export interface OwnLayout extends ParallelSizes {
  readonly zero: ZeroStage;
  readonly recompute: 'none' | 'layer';
  readonly schedule: PipelineSchedule;
  /** Runs of a rank's graphs in a step. */
  readonly microBatches: number;
  readonly optimizer: Optimiser;
}

export interface OwnRun {
  readonly config: TransformerConfig;
  /** Of one micro-batch. */
  readonly sequences: number;
  readonly time: number;
  readonly layout: OwnLayout;
  readonly dialect: Dialect;
}

export const oneRank: OwnLayout = {
  data: 1,
  tensor: 1,
  pipeline: 1,
  zero: 0,
  recompute: 'none',
  schedule: '1f1b',
  microBatches: 1,
  optimizer: 'adamw',
};

/** One graph of the whole model is the quickest; whatever cuts it runs layer by layer. */
export function runsWhole({ tensor, pipeline, expert = 1, zero, recompute }: OwnLayout): boolean {
  return tensor * pipeline * expert === 1 && zero < 2 && recompute === 'none';
}
