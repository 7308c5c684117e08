/** The noise scale of a step's gradients (McCandlish et al. 2018), where each rank has the whole gradient of its own sequences. */
import { NoiseScale, type NoiseState } from '@gantry/training/run';
import { rankPart } from '@gantry/training/sampler';
import type { ModelShard } from '../parallel/index.ts';
import type { TrainingPlan } from './training-plan.ts';

export interface GradientNoise {
  readonly scale: NoiseScale;
  /** Before gradients are summed. */
  look(): void;
  /** After they are: this rank's part of the mean squared norm of the ranks' own mean gradients. */
  ownPart(): number;
}

/** Overlapping sums of ZeRO scatter what they see: nobody has the whole. */
export function seesNoise({ grid, zero }: ModelShard, plan: TrainingPlan): boolean {
  const { data, tensor, pipeline, expert = 1 } = grid;
  const isWhole = tensor === 1 && pipeline === 1 && expert === 1 && zero < (plan.overlap ? 1 : 2);
  return data > 1 && isWhole && plan.globalSequences >= data;
}

export function openNoise(
  plan: TrainingPlan,
  shard: ModelShard,
  state: NoiseState | undefined,
): GradientNoise | undefined {
  if (!seesNoise(shard, plan)) return undefined;
  const { data, dataIndex } = shard.grid;
  const { from, to } = rankPart(plan.globalSequences, dataIndex, data);
  // Gradients weigh by the whole batch: this makes them means over the rank's own part.
  const factor = plan.globalSequences / (to - from);
  let seen = 0;
  return {
    scale: new NoiseScale(plan.globalSequences / data, plan.globalSequences, state),
    look: () => {
      // Overlapped, what others have is in some of them already.
      if (!plan.overlap) seen = shard.arena.squaredNorm(shard.gradients.values);
    },
    ownPart: () => ((shard.ownSquaredNorm ?? seen) * factor ** 2) / data,
  };
}
