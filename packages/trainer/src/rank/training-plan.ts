/** The job's `train` section with every default decided: what the loop needs, and nothing else. */
import type { Precision } from '@gantry/training/autodiff';
import type { LearningRatePlan } from '@gantry/training/optimizer';
import {
  parallelSizes,
  type ParallelSizes,
  type PipelineSchedule,
  type ZeroStage,
} from '@gantry/training/parallel';
import type { CompressionPlan, OptimizerOptions } from '../parallel/index.ts';
import { chooseMicroSequences } from './micro-sequences.ts';
import { mostBatchesOf } from './most-batches.ts';
import type { ProfilePlan } from './step-profile.ts';
import type { TrainingJob } from './training-job.ts';
import { offloadOf, type OffloadPlan } from './offload-plan.ts';
import { UserFault } from './user-fault.ts';

export interface TrainingPlan {
  readonly steps: number;
  readonly time: number;
  /** Sequences of one optimiser step, over all ranks. */
  readonly globalSequences: number;
  readonly sizes: ParallelSizes;
  readonly zero: ZeroStage;
  readonly schedule: PipelineSchedule;
  readonly recompute: 'none' | 'layer';
  /** Tensor ranks have rows of the residual stream and its norms. */
  readonly sequenceParallel: boolean;
  readonly compression: CompressionPlan | undefined;
  /** Gradients are summed layer by layer while the backward pass goes on. */
  readonly overlap: boolean;
  /** What lies in a file instead of memory. */
  readonly offload: OffloadPlan | undefined;
  /** Sequences of one graph run; more per rank are accumulated. */
  readonly microSequences: number;
  /** Graph runs a rank and step, the same on all ranks. */
  readonly microBatches: number;
  /** A step grows to at most so many batches of `globalSequences`; undefined: it does not grow. */
  readonly mostBatches: number | undefined;
  readonly learningRate: LearningRatePlan;
  readonly optimizer: OptimizerOptions;
  readonly clipNorm: number;
  readonly precision: Precision;
  /** Of a classifier: its large layers are seen as its ONNX export in eight bits has them. */
  readonly roundsToInt8: boolean;
  readonly profile: ProfilePlan | undefined;
  readonly earlyStopping: TrainingJob['train']['earlyStopping'];
  readonly badBatch: TrainingJob['train']['badBatch'];
  /** Threads that read ahead; undefined leaves it to the size of the data. */
  readonly loader: { readonly workers: number | undefined; readonly prefetch: number };
  readonly seed: number;
  readonly sampleEvery: number;
  readonly samplePrompt: string;
  readonly limits: TrainingJob['limits'];
  readonly checkpoint: TrainingJob['checkpoint'];
}

export function planTraining(job: TrainingJob, width: number, worldSize: number): TrainingPlan {
  const { train, checkpoint } = job;
  const time = train.sequenceLength;
  if (train.batchTokens < time) {
    throw new UserFault(
      'bad_spec',
      `batchTokens ${train.batchTokens} is less than one sequence of ${time} tokens.`,
      `Set batchTokens to ${time} or more, or shorten sequenceLength.`,
    );
  }
  const globalSequences = Math.floor(train.batchTokens / time);
  const { parallel } = job;
  const sizes = parallelSizes(parallel, worldSize);
  const perRank = Math.ceil(globalSequences / sizes.data);
  const microSequences = chooseMicroSequences(perRank, time, sizes, parallel?.microBatches);
  const microBatches = Math.ceil(perRank / microSequences);
  checkChunks(job, sizes, microBatches);
  const { everyMs } = checkpoint;
  if (train.optimizer === 'muon' && sizes.tensor > 1) {
    throw new UserFault(
      'bad_layout',
      'Muon needs whole matrices, and tensor-parallel ranks have columns of them.',
      'Set parallel.tensor to 1, or train.optimizer to adamw.',
    );
  }
  return {
    steps: train.steps,
    time,
    globalSequences,
    sizes,
    zero: (parallel?.zero ?? 0) as ZeroStage,
    schedule: parallel?.schedule ?? '1f1b',
    recompute: parallel?.recompute ?? 'none',
    sequenceParallel: isSequenceParallel(job, sizes, microSequences * time),
    compression: compressionOf(job, sizes),
    overlap: overlaps(job, sizes),
    offload: offloadOf(job),
    microSequences,
    microBatches,
    mostBatches: mostBatchesOf(job, sizes, globalSequences * time),
    learningRate: {
      schedule: train.learningRateSchedule,
      peak: train.learningRate ?? defaultLearningRate(train.optimizer, width),
      warmupSteps: train.warmupSteps ?? Math.max(1, Math.min(200, Math.floor(train.steps / 20))),
      totalSteps: train.steps,
    },
    optimizer: {
      name: train.optimizer,
      momentum: train.momentum ?? (train.optimizer === 'muon' ? 0.95 : 0.9),
      weightDecay: train.weightDecay ?? 0.1,
    },
    clipNorm: train.clipNorm ?? 1,
    precision: precisionOf(train),
    roundsToInt8: train.quantizationAware === 'int8',
    profile: train.profile,
    earlyStopping: train.earlyStopping,
    badBatch: train.badBatch,
    loader: { workers: train.loader.workers, prefetch: train.loader.prefetch },
    seed: train.seed,
    sampleEvery: train.sampleEvery ?? Math.max(50, Math.ceil(train.steps / 4)),
    samplePrompt: train.samplePrompt ?? 'The ',
    limits: job.limits,
    checkpoint: {
      ...checkpoint,
      everySteps:
        checkpoint.everySteps ??
        (everyMs === undefined ? Math.max(25, Math.ceil(train.steps / 10)) : undefined),
    },
  };
}

/** Interleaving runs a micro-batch of each stage through a chunk before the next (Narayanan et al. 2021, §2.2). */
function checkChunks(
  { parallel }: TrainingJob,
  { pipeline, chunks = 1 }: ParallelSizes,
  microBatches: number,
): void {
  const refuse = (message: string, hint: string): never => {
    throw new UserFault('bad_layout', message, hint);
  };
  const { virtualStages = 1, schedule } = parallel ?? {};
  if (virtualStages > 1 && schedule !== 'interleaved')
    refuse(
      `parallel.virtualStages ${virtualStages} belongs to the interleaved schedule, not to ${schedule}.`,
      'Set parallel.schedule to interleaved, or leave virtualStages out.',
    );
  if (chunks === 1) return;
  if (pipeline === 1)
    refuse(
      'One stage has nothing to interleave.',
      'Set parallel.pipeline to 2 or more, or leave schedule out.',
    );
  if (microBatches % pipeline === 0) return;
  const near = [Math.floor(microBatches / pipeline), Math.ceil(microBatches / pipeline)]
    .filter((count) => count > 0)
    .map((count) => count * pipeline);
  refuse(
    `Interleaving needs micro-batches in multiples of the ${pipeline} stages, and there are ${microBatches}.`,
    `Set parallel.microBatches to ${near.join(' or ')}.`,
  );
}

/**
 * Falls with the width, as the best rates of small decoders do (Yang et al. 2022: ∝ 1/width for Adam; gentler here).
 * Adafactor's steps are relative to each parameter's own length, which falls with the width already.
 */
function defaultLearningRate(optimizer: OptimizerOptions['name'], width: number): number {
  return optimizer === 'adafactor' ? 0.02 : 0.002 * Math.min(1, Math.sqrt(192 / width));
}

/** Rounding to blocks and to a narrow float at once would hide which of them a loss comes from. */
function precisionOf({ precision, quantizationAware, recipe }: TrainingJob['train']): Precision {
  const isOfClassifiers = quantizationAware === 'int8';
  if (quantizationAware !== undefined && isOfClassifiers !== (recipe === 'classifier'))
    throw new UserFault(
      'bad_spec',
      `train.quantizationAware ${quantizationAware} is not what the export of recipe ${recipe} can be.`,
      isOfClassifiers ? 'Set it to q8_0 or q4_0: the export is GGUF.' : 'Set it to int8: the export is ONNX.',
    );
  if (quantizationAware === undefined || precision === 'fp32')
    return quantizationAware === undefined || isOfClassifiers ? precision : quantizationAware;
  throw new UserFault(
    'bad_spec',
    `train.quantizationAware ${quantizationAware} rounds 32-bit weights, and train.precision is ${precision}.`,
    'Leave train.precision out.',
  );
}

function isSequenceParallel(
  { parallel }: TrainingJob,
  { tensor, expert = 1 }: ParallelSizes,
  rows: number,
): boolean {
  if (parallel?.sequenceParallel !== true || tensor === 1) return false;
  if (expert > 1)
    throw new UserFault(
      'bad_layout',
      'parallel.sequenceParallel cuts the rows that parallel.expert would route.',
      'Leave one of them out.',
    );
  if (rows % tensor === 0) return true;
  throw new UserFault(
    'bad_layout',
    `parallel.sequenceParallel gives each of ${tensor} tensor ranks as many of the ${rows} tokens of a micro-batch.`,
    `Choose train.sequenceLength as a multiple of ${tensor}.`,
  );
}

/** Compression needs all of a step's gradients at once. */
function overlaps({ parallel }: TrainingJob, { data }: ParallelSizes): boolean {
  const { overlap = false, compression } = parallel ?? {};
  if (!overlap || data === 1) return false;
  if (compression !== undefined)
    throw new UserFault(
      'bad_layout',
      `parallel.overlap sums layer by layer, and compression ${compression.kind} is made of a whole step.`,
      'Leave parallel.overlap out.',
    );
  return true;
}

/** Compression is for what data-parallel ranks sum: whole gradients, none of them infinite. */
function compressionOf({ parallel, train }: TrainingJob, sizes: ParallelSizes): CompressionPlan | undefined {
  const compression = parallel?.compression;
  if (compression === undefined || sizes.data === 1) return undefined;
  const owes = compression.kind === 'topk' || compression.kind === 'powersgd';
  const zero = parallel?.zero ?? 0;
  if (zero > 0 || (owes && train.precision === 'fp16'))
    throw new UserFault(
      'bad_layout',
      zero > 0
        ? `Gradients are not compressed under ZeRO ${zero}, whose ranks sum parts of them.`
        : `With precision fp16 a step may overflow, and ${compression.kind} would carry that on.`,
      zero > 0
        ? 'Set parallel.zero to 0, or leave parallel.compression out.'
        : 'Use bf16 or fp32, or compression bf16.',
    );
  return compression;
}
