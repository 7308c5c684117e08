/**
 * A rank's share of a global batch, cut into micro-batches. Each token weighs 1 / (tokens of the global batch),
 * so the sum over ranks is the gradient of the mean, however they share. Every data-parallel rank has the same
 * number of micro-batches; one beyond its share weighs nothing.
 */
import { rankPart, type SequenceSampler } from '@gantry/training/sampler';
import type { Timeline } from '../profile/index.ts';
import type { SequenceTarget, TokenSource } from './token-source.ts';
import type { TrainingPlan } from './training-plan.ts';

export interface MicroBatchTarget extends SequenceTarget {
  readonly weights: Float32Array;
}

export interface MicroBatches {
  readonly timeline: Timeline;
  readonly plan: TrainingPlan;
  readonly source: TokenSource;
  readonly sampler: SequenceSampler;
  readonly dataIndex: number;
  readonly dataRanks: number;
}

/** Fills micro-batch `index` of the batch that begins at `position`; answers how many sequences it has. */
export function fillMicroBatch(
  { plan, source, sampler, dataIndex, dataRanks }: MicroBatches,
  position: number,
  index: number,
  target: MicroBatchTarget,
  lossScale: number,
): number {
  const { time, globalSequences, microSequences } = plan;
  const share = rankPart(globalSequences, dataIndex, dataRanks);
  const first = share.from + index * microSequences;
  const count = Math.max(0, Math.min(microSequences, share.to - first));
  target.weights.fill(0);
  target.weights.fill(lossScale / (globalSequences * time), 0, count * time);
  for (let row = 0; row < count; row += 1) {
    source.fill(sampler.sequenceAt(position + first + row), target, row);
  }
  return count;
}
