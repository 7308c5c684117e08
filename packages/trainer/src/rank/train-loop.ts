/**
 * The steps of one rank: gradients of its share, one sum over all ranks (gradients, loss, "somebody must
 * stop"), clip, AdamW. Every rank decides from the same summed numbers, so all do the same without asking.
 */
import {
  adamWDefaults,
  adamWUpdate,
  clipFactor,
  gradientNorm,
  learningRateAt,
} from '@gantry/training/optimizer';
import type { ParameterLayout } from '@gantry/training/model';
import type { TrainingBuffers } from '../checkpoint/index.ts';
import type { ProcessGroup } from '../group/index.ts';
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
  readonly layout: ParameterLayout;
  readonly buffers: TrainingBuffers;
  /** layout.length gradients, then the loss, then the wish to stop. */
  readonly shared: Float32Array;
  readonly group: ProcessGroup;
  /** Steps already done. */
  readonly startStep: number;
  /** Fills `shared` with this rank's gradients; answers its part of the loss. */
  computeGradients(step: number): Promise<number>;
  /** After the update: `buffers` hold step `outcome.step`. */
  afterStep(outcome: StepOutcome): Promise<void>;
  readonly signal?: AbortSignal;
}

export const sharedExtras = 2;

/** Runs until the last step or until a rank was asked to stop; answers the steps done. */
export async function trainLoop(loop: TrainLoop): Promise<{ step: number; isStopped: boolean }> {
  const { plan, layout, shared, group, buffers } = loop;
  const gradients = shared.subarray(0, layout.length);
  const settings = { ...adamWDefaults, weightDecay: plan.weightDecay };
  const state = { ...buffers, gradients };
  for (let step = loop.startStep + 1; step <= plan.steps; step += 1) {
    shared[layout.length] = await loop.computeGradients(step);
    shared[layout.length + 1] = loop.signal?.aborted === true ? 1 : 0;
    await group.allReduceSum(shared);
    if ((shared[layout.length + 1] as number) > 0) return { step: step - 1, isStopped: true };
    const loss = shared[layout.length] as number;
    const norm = gradientNorm(gradients, layout.length);
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) throw nanLoss(step, loss);
    const learningRate = learningRateAt(step, plan.learningRate);
    const update = { step, learningRate, gradientScale: clipFactor(norm, plan.clipNorm) };
    for (const { offset, length, decays } of layout.parameters) {
      adamWUpdate(state, { from: offset, to: offset + length, decays }, settings, update);
    }
    await loop.afterStep({ step, loss, gradientNorm: norm, learningRate });
  }
  return { step: plan.steps, isStopped: false };
}

function nanLoss(step: number, loss: number): UserFault {
  const what = Number.isFinite(loss) ? 'gradient' : 'loss';
  return new UserFault(
    'nan_loss',
    `The ${what} is no longer a number at step ${step}; the last good checkpoint is kept.`,
    'Lower train.learningRate or lengthen train.warmupSteps, then submit again: training goes on from the checkpoint.',
  );
}
