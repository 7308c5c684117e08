/**
 * The steps of one rank: gradients of its share, their sum, clip, AdamW. A few numbers more (loss, norm, "somebody
 * must stop", how far a checkpoint is) are summed over all ranks each step: every rank decides from the same
 * numbers, so all do the same without asking.
 */
import { adamWDefaults, clipFactor, learningRateAt } from '@gantry/training/optimizer';
import type { Checkpointer, SaveOutcome } from '../checkpoint/index.ts';
import type { CheckpointState } from '../checkpoint/checkpoint-manifest.ts';
import type { World } from '../group/index.ts';
import type { ModelShard } from '../parallel/index.ts';
import type { GradientSource } from './gradient-source.ts';
import type { TrainingPlan } from './training-plan.ts';
import { UserFault } from './user-fault.ts';

export interface StepOutcome {
  /** Counts from 1. */
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
}

export interface TrainLoop {
  readonly plan: TrainingPlan;
  readonly shard: ModelShard;
  readonly world: World;
  readonly gradients: GradientSource;
  readonly checkpointer: Checkpointer;
  /** Steps done and sequences read before. */
  readonly start: { readonly step: number; readonly position: number };
  stateOf(step: number, position: number, loss: number | undefined): CheckpointState;
  /** Whether this rank wants a checkpoint after `step`; one wish is enough. */
  wantsCheckpoint(step: number): boolean;
  onSaved(outcome: SaveOutcome): Promise<void>;
  /** After the update: the shard holds step `outcome.step`. All ranks call it for the same steps. */
  afterStep(outcome: StepOutcome): Promise<void>;
  /** For tests of bad days. */
  readonly onGradients?: ((step: number, gradients: Float32Array) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs until the last step or until a rank was asked to stop, and saves the end; answers the steps done. */
export async function trainLoop(loop: TrainLoop): Promise<{ step: number; isStopped: boolean }> {
  const { plan, shard, gradients, checkpointer, start } = loop;
  const settings = { ...adamWDefaults, weightDecay: plan.weightDecay };
  let { step, position } = start;
  let savedStep = start.step;
  let lastLoss: number | undefined;
  let isStopped = false;
  const save = async (): Promise<void> => {
    await drain(loop);
    checkpointer.begin(loop.stateOf(step, position, lastLoss));
    savedStep = step;
  };
  while (step < plan.steps) {
    const own = await gradients.compute(position);
    loop.onGradients?.(step + 1, shard.gradients.values);
    await shard.synchronise();
    const sums = await sumOverRanks(loop, {
      loss: own,
      squaredNorm: shard.squaredNorm(),
      stop: loop.signal?.aborted === true ? 1 : 0,
      wish: loop.wantsCheckpoint(step + 1) ? 1 : 0,
    });
    isStopped = sums.stop > 0;
    if (isStopped) break;
    step += 1;
    position += plan.globalSequences;
    const norm = Math.sqrt(sums.squaredNorm);
    if (!Number.isFinite(sums.loss) || !Number.isFinite(norm)) {
      await drain(loop);
      throw nanLoss(step, sums.loss);
    }
    const learningRate = learningRateAt(step, plan.learningRate);
    await shard.update(settings, { step, learningRate, gradientScale: clipFactor(norm, plan.clipNorm) });
    gradients.afterUpdate();
    lastLoss = sums.loss;
    if (sums.wish > 0) await save();
    await loop.afterStep({ step, loss: sums.loss, gradientNorm: norm, learningRate });
  }
  if (step > savedStep) await save();
  await drain(loop);
  return { step, isStopped };
}

interface StepNumbers {
  readonly loss: number;
  readonly squaredNorm: number;
  readonly stop: number;
  readonly wish: number;
}

const nothing: StepNumbers = { loss: 0, squaredNorm: 0, stop: 0, wish: 0 };

async function sumOverRanks(loop: TrainLoop, numbers: StepNumbers): Promise<StepNumbers> {
  const { world, checkpointer } = loop;
  const { written, failed, full } = checkpointer.flags();
  const { loss, squaredNorm, stop, wish } = numbers;
  const values = Float32Array.of(loss, squaredNorm, stop, wish, written, failed, full);
  await world.allReduceSum(values);
  const at = (index: number): number => values[index] as number;
  const outcome = await checkpointer.settle({ written: at(4), failed: at(5), full: at(6) }, world.size);
  if (outcome !== undefined) await loop.onSaved(outcome);
  return { loss: at(0), squaredNorm: at(1), stop: at(2), wish: at(3) };
}

/** Until no save is under way. */
async function drain(loop: TrainLoop): Promise<void> {
  while (loop.checkpointer.isBusy) {
    await loop.checkpointer.written();
    await sumOverRanks(loop, nothing);
  }
}

function nanLoss(step: number, loss: number): UserFault {
  const what = Number.isFinite(loss) ? 'gradient' : 'loss';
  return new UserFault(
    'nan_loss',
    `The ${what} is no longer a number at step ${step}; the last good checkpoint is kept.`,
    'Lower train.learningRate or lengthen train.warmupSteps, then submit again: training goes on from the checkpoint.',
  );
}
