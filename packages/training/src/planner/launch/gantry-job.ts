/** Our own runtime's job file. */
import { microBatchesOf } from '../layout.ts';
import { type LaunchWriter, yamlFile } from './launch-file.ts';

const maxVocabulary = 65_536;

export const gantryJob: LaunchWriter = (task, layout) => {
  const { model, sequenceLength, batch } = task;
  const { expert = 1 } = layout;
  if (!model.isGated || model.positions > 0)
    return { reason: 'Our runtime trains Llama-like decoders; this is a GPT.' };
  if (model.vocabulary > maxVocabulary)
    return {
      reason: `Our runtime's tokenizers end at ${maxVocabulary} entries; this has ${model.vocabulary}.`,
    };
  if (layout.offload !== 'none' && layout.zero === 0)
    return { reason: 'Our runtime offloads what ranks of ZeRO own; ask for --zero 1 or more.' };
  return yamlFile('job.yaml', {
    name: `train-${model.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`,
    train: {
      recipe: 'language-model',
      data: ['data/**/*.txt'],
      depth: model.layers,
      width: model.width,
      heads: model.heads,
      kvHeads: model.kvHeads,
      hidden: model.hidden,
      ...(model.experts === undefined ? {} : { model: { experts: { ...model.experts } } }),
      vocabularySize: model.vocabulary,
      sequenceLength,
      batchTokens: batch * sequenceLength,
      steps: 1000,
    },
    parallel: {
      data: layout.data,
      tensor: layout.tensor,
      pipeline: layout.pipeline,
      ...(expert === 1 ? {} : { expert }),
      zero: layout.zero,
      microBatches: microBatchesOf(task, layout),
      ...(layout.virtualStages > 1 ? { schedule: 'interleaved', virtualStages: layout.virtualStages } : {}),
      recompute: layout.recompute === 'full' ? 'layer' : 'none',
      ...(layout.offload === 'none' ? {} : { offload: { parameters: false } }),
      // Ours routes whole rows.
      ...(layout.sequenceParallel && expert === 1 ? { sequenceParallel: true } : {}),
    },
  });
};
