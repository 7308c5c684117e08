/** The job's `train` section with every default decided: what the loop needs, and nothing else. */
import type { LearningRatePlan } from '@gantry/training/optimizer';
import type { TrainingJob } from './training-job.ts';
import { UserFault } from './user-fault.ts';

export interface TrainingPlan {
  readonly steps: number;
  readonly time: number;
  /** Sequences of one optimiser step, over all ranks. */
  readonly globalSequences: number;
  /** Sequences of one graph run; more per rank are accumulated. */
  readonly microSequences: number;
  readonly learningRate: LearningRatePlan;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly seed: number;
  readonly sampleEvery: number;
  readonly samplePrompt: string;
  readonly checkpoint: {
    readonly everySteps: number | undefined;
    readonly everyMs: number | undefined;
    readonly keep: number;
  };
}

/** Bounds the activations of one run: about 100 bytes per token and hidden unit (notes: 83 MB a layer at 2,048 × 384). */
const microTokens = 4096;

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
  const perRank = Math.ceil(globalSequences / worldSize);
  const { everyMs } = checkpoint;
  return {
    steps: train.steps,
    time,
    globalSequences,
    microSequences: Math.max(1, Math.min(perRank, Math.floor(microTokens / time))),
    learningRate: {
      peak: train.learningRate ?? defaultLearningRate(width),
      warmupSteps: train.warmupSteps ?? Math.max(1, Math.min(200, Math.floor(train.steps / 20))),
      totalSteps: train.steps,
      finalFraction: 0.1,
    },
    weightDecay: train.weightDecay ?? 0.1,
    clipNorm: train.clipNorm ?? 1,
    seed: train.seed,
    sampleEvery: train.sampleEvery ?? Math.max(50, Math.ceil(train.steps / 4)),
    samplePrompt: train.samplePrompt ?? 'The ',
    checkpoint: {
      everySteps:
        checkpoint.everySteps ??
        (everyMs === undefined ? Math.max(25, Math.ceil(train.steps / 10)) : undefined),
      everyMs,
      keep: checkpoint.keep,
    },
  };
}

/** Falls with the width, as the best rates of small decoders do (Yang et al. 2022: ∝ 1/width for Adam; gentler here). */
function defaultLearningRate(width: number): number {
  return 0.002 * Math.min(1, Math.sqrt(192 / width));
}
