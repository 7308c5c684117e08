/** A step of several of the job's batches, one after the other: the mean of their gradients, as of one batch. */
import type { ModelShard } from '../parallel/index.ts';
import type { GradientSource } from './gradient-source.ts';

export type BatchesSource = (position: number, lossScale: number, batches: number) => Promise<number>;

/** `sequences` of one batch. What is kept beside the gradients is taken when there is first a second batch. */
export function repeatBatches(
  source: GradientSource,
  { gradients, arena }: Pick<ModelShard, 'gradients' | 'arena'>,
  sequences: number,
): BatchesSource {
  let kept: Float32Array | undefined;
  return async (position, lossScale, batches) => {
    if (batches === 1) return source.compute(position, lossScale);
    const { values } = gradients;
    kept ??= arena.floats(values.length);
    kept.fill(0);
    let loss = 0;
    for (let batch = 0; batch < batches; batch += 1) {
      loss += await source.compute(position + batch * sequences, lossScale / batches);
      arena.addInto(kept, values);
    }
    values.set(kept);
    return loss;
  };
}
