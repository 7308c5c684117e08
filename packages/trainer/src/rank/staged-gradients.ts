/** Gradients layer by layer: pipeline stages, tensor ranks, ZeRO 2 and 3, recompute. */
import { blockValues, isBlockFormat, type Precision } from '@gantry/training/autodiff';
import type { TransformerConfig } from '@gantry/training/model';
import { microBatchesInFlight, pipelineActions } from '@gantry/training/parallel';
import type { BackgroundGroup } from '../group/index.ts';
import { probeDialect } from '../executor/index.ts';
import { StageRunner, type ModelShard } from '../parallel/index.ts';
import type { GradientSource } from './gradient-source.ts';
import { fillMicroBatch, type MicroBatches } from './micro-batches.ts';
import { UserFault } from './user-fault.ts';

export async function openStagedGradients(
  batches: MicroBatches,
  config: TransformerConfig,
  shard: ModelShard,
  background: BackgroundGroup | undefined,
): Promise<GradientSource> {
  const { plan, timeline } = batches;
  const { pipeline: stages, pipelineIndex, chunks = 1 } = shard.grid;
  const { schedule, microBatches } = plan;
  checkBlocks(plan.precision, config, shard.grid.tensor);
  const actions = pipelineActions({ schedule, stages, microBatches, chunks }, pipelineIndex);
  const nameOf = (pass: string, microBatch: number, chunk: number): string =>
    chunks === 1 ? `${pass} ${microBatch}` : `${pass} ${microBatch} chunk ${chunk}`;
  const runner = await StageRunner.open({
    shard,
    config,
    sequences: plan.microSequences,
    time: plan.time,
    inFlight: microBatchesInFlight(actions),
    isRecomputed: plan.recompute === 'layer',
    isSequenceParallel: plan.sequenceParallel,
    dialect: await probeDialect(),
    precision: plan.precision,
    beside: background,
  });
  return {
    compute: async (position, lossScale) => {
      let loss = 0;
      shard.clearGradients();
      for (const { pass, microBatch, chunk } of actions) {
        if (pass === 'forward' && chunk === 0)
          await fillMicroBatch(batches, position, microBatch, runner.batch(microBatch), lossScale);
        await timeline.during('compute', nameOf(pass, microBatch, chunk), async () => {
          if (pass === 'backward') await runner.backward(microBatch, chunk, microBatch === microBatches - 1);
          else loss += await runner.forward(microBatch, chunk);
        });
      }
      await runner.settle();
      return loss;
    },
    afterUpdate: () => runner.afterUpdate(),
    [Symbol.asyncDispose]: async () => {
      await background?.[Symbol.asyncDispose]();
      await runner[Symbol.asyncDispose]();
    },
  };
}

/** A tensor rank has columns of o and down: blocks along them stay whole, or its export would round otherwise. */
function checkBlocks(
  precision: Precision,
  { heads, headWidth, hidden }: TransformerConfig,
  tensor: number,
): void {
  if (!isBlockFormat(precision)) return;
  for (const [name, inputs] of Object.entries({ hidden, 'heads × their width': heads * headWidth })) {
    if (inputs % blockValues !== 0 || (inputs / tensor) % blockValues === 0) continue;
    throw new UserFault(
      'bad_layout',
      `${name} ${inputs} over ${tensor} tensor ranks cuts blocks of ${blockValues} that ${precision} rounds together.`,
      `Use a multiple of ${tensor * blockValues}, or parallel.tensor 1.`,
    );
  }
}
