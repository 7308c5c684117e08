/** Our own runtime's job file. */
import { microBatchesOf } from '../layout.ts';
import { type LaunchWriter, yamlFile } from './launch-file.ts';
import { jobName, trainSection, whyNotOurs } from './train-section.ts';

export const gantryJob: LaunchWriter = (task, layout) => {
  const { model, sequenceLength, batch, software } = task;
  const { expert = 1 } = layout;
  const reason = whyNotOurs(model);
  if (reason !== undefined) return { reason };
  if (layout.offload !== 'none' && layout.zero === 0)
    return { reason: 'Our runtime offloads what ranks of ZeRO own; ask for --zero 1 or more.' };
  return yamlFile('job.yaml', {
    name: jobName(model),
    train: trainSection(model, { sequenceLength, batch, optimizer: software.optimiser }),
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
