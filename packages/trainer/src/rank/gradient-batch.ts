/**
 * A rank's share of a global batch: its sequences run in micro-batches, gradients add up. Each token weighs
 * 1 / (tokens of the global batch), so the sum over ranks is the gradient of the mean, however they share.
 */
import { rankPart, type SequenceSampler } from '@gantry/training/sampler';
import type { LlamaExecutor } from '../executor/index.ts';
import type { TokenSource } from './token-source.ts';

export interface GradientBatch {
  readonly executor: LlamaExecutor;
  /** Where the executor writes. */
  readonly scratch: Float32Array;
  /** Receives the sum; may be `scratch` itself when one run covers the share. */
  readonly total: Float32Array;
  readonly source: TokenSource;
  readonly sampler: SequenceSampler;
  readonly time: number;
  readonly microSequences: number;
  readonly globalSequences: number;
  readonly rank: number;
  readonly worldSize: number;
}

/** Computes the share that starts at `position` of the whole order; answers this rank's part of the mean loss. */
export async function runGradientBatch(batch: GradientBatch, position: number): Promise<number> {
  const { executor, scratch, total, time, microSequences, globalSequences } = batch;
  const { from, to } = rankPart(globalSequences, batch.rank, batch.worldSize);
  const weight = 1 / (globalSequences * time);
  let loss = 0;
  if (scratch !== total || from === to) total.fill(0);
  for (let first = from; first < to; first += microSequences) {
    const count = Math.min(microSequences, to - first);
    executor.weights.fill(0);
    executor.weights.fill(weight, 0, count * time);
    for (let row = 0; row < count; row += 1) {
      batch.source.fill(batch.sampler.sequenceAt(position + first + row), executor, row);
    }
    await executor.run();
    loss += executor.loss[0] as number;
    if (scratch !== total) {
      for (let index = 0; index < total.length; index += 1) {
        total[index] = (total[index] as number) + (scratch[index] as number);
      }
    }
  }
  return loss;
}
