/** Gradients layer by layer: pipeline stages, tensor ranks, ZeRO 2 and 3, recompute. */
import type { TransformerConfig } from '@gantry/training/model';
import { microBatchesInFlight, pipelineActions } from '@gantry/training/parallel';
import { probeDialect } from '../executor/index.ts';
import { StageRunner, type ModelShard } from '../parallel/index.ts';
import type { GradientSource } from './gradient-source.ts';
import { fillMicroBatch, type MicroBatches } from './micro-batches.ts';

export async function openStagedGradients(
  batches: MicroBatches,
  config: TransformerConfig,
  shard: ModelShard,
): Promise<GradientSource> {
  const { plan, timeline } = batches;
  const { pipeline, pipelineIndex } = shard.grid;
  const actions = pipelineActions(plan.schedule, pipelineIndex, pipeline, plan.microBatches);
  const runner = await StageRunner.open({
    shard,
    config,
    sequences: plan.microSequences,
    time: plan.time,
    inFlight: microBatchesInFlight(actions),
    isRecomputed: plan.recompute === 'layer',
    dialect: await probeDialect(),
    precision: plan.precision,
  });
  return {
    compute: async (position, lossScale) => {
      let loss = 0;
      shard.clearGradients();
      for (const { pass, microBatch } of actions) {
        if (pass === 'backward') {
          await timeline.during('compute', `backward ${microBatch}`, () => runner.backward(microBatch));
          continue;
        }
        await fillMicroBatch(batches, position, microBatch, runner.batch(microBatch), lossScale);
        loss += await timeline.during('compute', `forward ${microBatch}`, () => runner.forward(microBatch));
      }
      await runner.settle();
      return loss;
    },
    afterUpdate: () => runner.afterUpdate(),
    [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose](),
  };
}
