/**
 * A rank's share of a global batch, cut into micro-batches. Each token weighs 1 / (tokens of the global batch),
 * so the sum over ranks is the gradient of the mean, however they share. Every data-parallel rank has the same
 * number of micro-batches; one beyond its share weighs nothing.
 */
import type { BatchFeed } from '../data/index.ts';
import type { Timeline } from '../profile/index.ts';
import { maskRows, type Masking } from './masking.ts';
import type { TrainingPlan } from './training-plan.ts';
import { toUserFault } from './user-fault.ts';

export interface MicroBatchTarget {
  /** [sequences × time] each. */
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
  readonly weights: Float32Array;
}

export interface MicroBatches {
  readonly timeline: Timeline;
  readonly plan: TrainingPlan;
  readonly feed: BatchFeed;
  /** Undefined: each token is asked for the one after it. */
  readonly masking: Masking | undefined;
  /** Place of a micro-batch's first sequence in the order of training. */
  readonly placeOf: (position: number, index: number) => number;
}

/** Fills micro-batch `index` of the batch that begins at `position`; answers how many sequences it has. */
export async function fillMicroBatch(
  { timeline, plan, feed, masking, placeOf }: MicroBatches,
  position: number,
  index: number,
  target: MicroBatchTarget,
  lossScale: number,
): Promise<number> {
  const { time, globalSequences } = plan;
  return timeline.during('load', `batch ${index}`, async () => {
    const count = await feed.load({ position, index }, target).catch(toUserFault);
    target.weights.fill(0);
    if (masking === undefined) target.weights.fill(lossScale / (globalSequences * time), 0, count * time);
    else
      maskRows(masking, target, {
        time,
        count,
        place: placeOf(position, index),
        scale: lossScale / globalSequences,
      });
    return count;
  });
}
