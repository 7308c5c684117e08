/** Gradients of a rank's share of a batch of samples, in micro-batches. */
import { createRandom } from '@gantry/kit';
import type { ClassifierConfig } from '@gantry/training/classifier';
import { augment, type Augmentation } from '@gantry/training/images';
import { rankPart, type SequenceSampler } from '@gantry/training/sampler';
import type { ModelShard } from '../parallel/index.ts';
import type { Timeline } from '../profile/index.ts';
import type { GradientSource } from '../rank/gradient-source.ts';
import type { TrainingPlan } from '../rank/training-plan.ts';
import { createClassifierExecutor } from './classifier-executor.ts';
import type { Samples } from './samples.ts';

export async function openClassifierGradients(options: {
  readonly config: ClassifierConfig;
  readonly plan: TrainingPlan;
  readonly samples: Samples;
  readonly sampler: SequenceSampler;
  readonly shard: ModelShard;
  readonly timeline: Timeline;
  /** Of images. */
  readonly augmentation: Augmentation;
}): Promise<GradientSource> {
  const { config, plan, samples, sampler, shard, timeline, augmentation } = options;
  const { globalSequences, microSequences, microBatches } = plan;
  const total = shard.gradients.values;
  const scratch = microBatches === 1 ? total : shard.arena.floats(total.length);
  const executor = await createClassifierExecutor({
    config,
    samples: microSequences,
    parameters: shard.parameters.values,
    gradients: scratch,
    roundsToInt8: plan.roundsToInt8,
  });
  const share = rankPart(globalSequences, shard.grid.dataIndex, shard.grid.data);
  return {
    compute: async (position, lossScale) => {
      let loss = 0;
      total.fill(0);
      for (let index = 0; index < microBatches; index += 1) {
        const first = share.from + index * microSequences;
        const count = Math.max(0, Math.min(microSequences, share.to - first));
        if (count === 0) continue;
        executor.weights.fill(0).fill(lossScale / globalSequences, 0, count);
        await timeline.during('load', `batch ${index}`, async () => {
          for (let row = 0; row < count; row += 1) {
            const place = position + first + row;
            executor.take(samples, samples.train[sampler.sequenceAt(place)] as number, row);
            // By the place in the order of training: every layout and every resume change it alike.
            if (config.input.kind === 'image')
              augment(
                { ...config.input, values: executor.sampleAt(row) },
                augmentation,
                createRandom(plan.seed + Math.imul(place, 0x2545f491)),
              );
          }
          await Promise.resolve();
        });
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
