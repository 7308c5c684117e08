/** Gradients from one graph of the whole model: the fastest way when nothing is cut. */
import type { TransformerConfig } from '@gantry/training/model';
import { createModelExecutor } from '../executor/index.ts';
import type { ModelShard } from '../parallel/index.ts';
import type { GradientSource } from './gradient-source.ts';
import { fillMicroBatch, type MicroBatches } from './micro-batches.ts';

export async function openWholeModelGradients(
  batches: MicroBatches,
  config: TransformerConfig,
  shard: ModelShard,
): Promise<GradientSource> {
  const { plan, timeline } = batches;
  const total = shard.gradients.values;
  // One run covers the share: it writes where the sum belongs.
  const scratch = plan.microBatches === 1 ? total : shard.arena.floats(total.length);
  const executor = await createModelExecutor({
    config,
    sequences: plan.microSequences,
    time: plan.time,
    kind: 'gradients',
    precision: plan.precision,
    parameters: shard.parameters.values,
    gradients: scratch,
  });
  return {
    compute: async (position, lossScale) => {
      let loss = 0;
      total.fill(0);
      for (let index = 0; index < plan.microBatches; index += 1) {
        const count = await fillMicroBatch(batches, position, index, executor, lossScale);
        if (count === 0) continue;
        await timeline.during('compute', `gradients ${index}`, () => executor.run());
        loss += executor.loss[0] as number;
        if (scratch !== total) shard.arena.addInto(total, scratch);
      }
      return loss;
    },
    afterUpdate: () => undefined,
    [Symbol.asyncDispose]: () => executor[Symbol.asyncDispose](),
  };
}
