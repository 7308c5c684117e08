/**
 * The steps of one rank: gradients of its share, their sum, clip, AdamW. A few numbers more (loss, norm, "somebody
 * must stop", how far a checkpoint is) are summed over all ranks each step: every rank decides from the same
 * numbers, so all do the same without asking.
 */
import { countOf } from '@gantry/kit';
import {
  afterGoodStep,
  afterOverflow,
  clipFactor,
  learningRateAt,
  LossWatch,
  lossScaleStart,
  type LossScaleState,
  type LossVerdict,
} from '@gantry/training/optimizer';
import { BatchAdaptation, learningRateFactor } from '@gantry/training/run';
import type { Checkpointer, SaveOutcome } from '../checkpoint/index.ts';
import type { AdaptationState, CheckpointState } from '../checkpoint/checkpoint-manifest.ts';
import type { World } from '../group/index.ts';
import type { ModelShard, UpdateRule } from '../parallel/index.ts';
import { openNoise } from './gradient-noise.ts';
import type { GradientSource } from './gradient-source.ts';
import { repeatBatches } from './repeated-batches.ts';
import type { TrainingPlan } from './training-plan.ts';
import { UserFault } from './user-fault.ts';

export interface StepOutcome {
  /** Counts from 1. */
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Sequences read since the start of training, and how many of the job's batches this step was made of. */
  readonly position: number;
  readonly batches: number;
  /** In sequences; undefined while it cannot be told. */
  readonly noiseScale: number | undefined;
  /** What each rank computed for this step. */
  readonly busyMs: readonly number[];
}

type BadVerdict = Exclude<LossVerdict, { kind: 'good' }>;

export interface BadBatchReport {
  /** The step that the batch was meant for. */
  readonly step: number;
  readonly verdict: BadVerdict;
  /** Where training goes on; `step - 1` when the batch is only left out. */
  readonly fromStep: number;
}

export interface TrainLoop {
  readonly plan: TrainingPlan;
  readonly shard: ModelShard;
  readonly world: World;
  readonly gradients: GradientSource;
  readonly rule: UpdateRule;
  readonly checkpointer: Checkpointer;
  /** Steps done and sequences read before. */
  readonly start: {
    readonly step: number;
    readonly position: number;
    readonly lossScale: LossScaleState | undefined;
    readonly adaptation?: AdaptationState | undefined;
  };
  stateOf(done: {
    readonly step: number;
    readonly position: number;
    readonly loss: number | undefined;
    readonly lossScale: LossScaleState | undefined;
    readonly adaptation: AdaptationState | undefined;
  }): CheckpointState;
  /** Whether this rank wants a checkpoint after `step`; one wish is enough. */
  wantsCheckpoint(step: number): boolean;
  onSaved(outcome: SaveOutcome): Promise<void>;
  /** Fills the shard from the newest checkpoint; answers its step, undefined when there is none. */
  rollBack(): Promise<number | undefined>;
  onOverflow(step: number, scale: number): Promise<void>;
  onBadBatch(bad: BadBatchReport): Promise<void>;
  /** After the update: the shard holds step `outcome.step`. All ranks call it for the same steps; they answer alike whether it is enough. */
  afterStep(outcome: StepOutcome): Promise<boolean>;
  /** For tests of bad days. */
  readonly onGradients?: ((step: number, gradients: Float32Array) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs until the last step or until a rank was asked to stop, and saves the end; answers the steps done. */
export async function trainLoop(loop: TrainLoop): Promise<{ step: number; isStopped: boolean }> {
  const { plan, shard, world, gradients, rule, checkpointer, start } = loop;
  const { timeline } = world;
  let { step, position } = start;
  let savedStep = start.step;
  let lastLoss: number | undefined;
  let isStopped = false;
  let badBatches = 0;
  const watch = new LossWatch(plan.badBatch);
  const noise = openNoise(plan, shard, start.adaptation?.noise);
  const adaptation =
    plan.mostBatches === undefined
      ? undefined
      : new BatchAdaptation(plan.mostBatches, start.adaptation?.batch);
  const gradientsOf = repeatBatches(gradients, shard, plan.globalSequences);
  let lossScale = plan.precision === 'fp16' ? (start.lossScale ?? lossScaleStart) : undefined;
  const adaptationState = (): AdaptationState | undefined =>
    adaptation && { batch: adaptation.state, noise: noise?.scale.state };
  const save = async (): Promise<void> => {
    await drain(loop, () => checkpointer.isFull);
    await shard.owed?.gather();
    await timeline.during('checkpoint', 'snapshot', async () => {
      checkpointer.begin(
        loop.stateOf({ step, position, loss: lastLoss, lossScale, adaptation: adaptationState() }),
      );
      await Promise.resolve();
    });
    savedStep = step;
  };
  while (step < plan.steps) {
    const scale = lossScale?.scale ?? 1;
    const computedMs = timeline.sumsMs.compute;
    const { batches } = adaptation?.state ?? { batches: 1 };
    const own = await gradientsOf(position, scale, batches);
    loop.onGradients?.(step + 1, shard.gradients.values);
    noise?.look();
    await shard.synchronise();
    const smallSquaredNorm = noise?.ownPart() ?? 0;
    const sums = await sumOverRanks(loop, {
      loss: own,
      squaredNorm: shard.squaredNorm(),
      smallSquaredNorm,
      stop: loop.signal?.aborted === true ? 1 : 0,
      wish: loop.wantsCheckpoint(step + 1) ? 1 : 0,
      busyMs: timeline.sumsMs.compute - computedMs,
    });
    isStopped = sums.stop > 0;
    if (isStopped) break;
    position += plan.globalSequences * batches;
    const loss = sums.loss / scale;
    const norm = Math.sqrt(sums.squaredNorm) / scale;
    if (lossScale !== undefined && !(Number.isFinite(loss) && Number.isFinite(norm))) {
      const halved = afterOverflow(lossScale);
      if (halved !== undefined) {
        lossScale = halved;
        await loop.onOverflow(step + 1, halved.scale);
        continue;
      }
    }
    const verdict = watch.judge(loss, norm);
    if (verdict.kind !== 'good') {
      await drain(loop);
      badBatches += 1;
      const { action, limit } = plan.badBatch;
      if (action === 'stop' || badBatches > limit) throw badLoss(step + 1, verdict, badBatches);
      const meant = step + 1;
      if (action === 'rollback') step = (await loop.rollBack()) ?? step;
      savedStep = Math.min(savedStep, step);
      gradients.afterUpdate();
      await loop.onBadBatch({ step: meant, verdict, fromStep: step });
      continue;
    }
    step += 1;
    if (lossScale !== undefined) lossScale = afterGoodStep(lossScale);
    const learningRate =
      learningRateAt(step, plan.learningRate) * learningRateFactor(plan.optimizer.name, batches);
    const gradientScale = clipFactor(norm, plan.clipNorm) / scale;
    await timeline.during('update', plan.optimizer.name, async () => {
      await rule.apply({ step, learningRate, gradientScale });
      await shard.shareParameters();
    });
    gradients.afterUpdate();
    lastLoss = loss;
    const noiseScale = noise?.scale.add(sums.smallSquaredNorm / scale ** 2, norm ** 2, batches);
    adaptation?.after(noiseScale, plan.globalSequences);
    if (sums.wish > 0) await save();
    shard.arena.compact();
    const isEnough = await loop.afterStep({
      step,
      position,
      batches,
      loss,
      gradientNorm: norm,
      learningRate,
      noiseScale,
      busyMs: sums.busyMsOfEach,
    });
    if (isEnough) break;
  }
  if (step > savedStep) await save();
  await drain(loop);
  return { step, isStopped };
}

interface OwnNumbers {
  readonly loss: number;
  readonly squaredNorm: number;
  /** Summed over ranks it is the mean squared norm of their own mean gradients. */
  readonly smallSquaredNorm: number;
  readonly stop: number;
  readonly wish: number;
  readonly busyMs: number;
}

interface StepNumbers extends Omit<OwnNumbers, 'busyMs'> {
  readonly busyMsOfEach: readonly number[];
}

const nothing: OwnNumbers = {
  loss: 0,
  squaredNorm: 0,
  smallSquaredNorm: 0,
  stop: 0,
  wish: 0,
  busyMs: 0,
};

async function sumOverRanks(loop: TrainLoop, numbers: OwnNumbers): Promise<StepNumbers> {
  const { world, checkpointer } = loop;
  const { written, failed, full } = checkpointer.flags();
  const { loss, squaredNorm, stop, wish, busyMs, smallSquaredNorm } = numbers;
  const shared = [loss, squaredNorm, stop, wish, written, failed, full, smallSquaredNorm];
  // After what is summed, a place for each rank's own.
  const values = new Float32Array(shared.length + world.size);
  values.set(shared);
  values[shared.length + world.index] = busyMs;
  await world.allReduceSum(values);
  const at = (index: number): number => values[index] as number;
  const outcome = await checkpointer.settle({ written: at(4), failed: at(5), full: at(6) }, world.size);
  if (outcome !== undefined) await loop.onSaved(outcome);
  return {
    loss: at(0),
    squaredNorm: at(1),
    stop: at(2),
    wish: at(3),
    smallSquaredNorm: at(7),
    busyMsOfEach: [...values.subarray(shared.length)],
  };
}

/** Until no save is under way, or no longer too many. All ranks ask at the same step and see the same. */
async function drain(
  loop: TrainLoop,
  isWaiting: () => boolean = () => loop.checkpointer.isBusy,
): Promise<void> {
  while (isWaiting()) {
    await loop.checkpointer.written();
    await sumOverRanks(loop, nothing);
  }
}

function badLoss(step: number, verdict: BadVerdict, count: number): UserFault {
  const many = count > 1 ? ` after ${countOf(count - 1, 'batch', 'batches')} left out` : '';
  if (verdict.kind === 'spike') {
    const { loss, median } = verdict;
    return new UserFault(
      'loss_spike',
      `The loss jumps to ${loss.toFixed(3)} at step ${step}, from ${median.toFixed(3)}${many}; the last good checkpoint is kept.`,
      'Look at the data around this step, lower train.learningRate, or set train.badBatch.action to skip or rollback.',
    );
  }
  return new UserFault(
    'nan_loss',
    `The ${verdict.of} is no longer a number at step ${step}${many}; the last good checkpoint is kept.`,
    'Lower train.learningRate or lengthen train.warmupSteps, then submit again: training goes on from the checkpoint.',
  );
}
