/** A layout of our own runtime as a job file. */
import { type LaunchFile, yamlFile } from '../launch/launch-file.ts';
import { jobName, trainSection, whyNotOurs } from '../launch/train-section.ts';
import { modelOfConfig } from './own-model.ts';
import type { OwnCandidate, OwnTask } from './search-own-layouts.ts';

export function ownJob(
  name: string,
  { config, sequenceLength, batch }: OwnTask,
  { run }: OwnCandidate,
): LaunchFile {
  const model = modelOfConfig(name, config);
  const reason = whyNotOurs(model);
  if (reason !== undefined) return { reason };
  const { data, tensor, pipeline, chunks = 1, zero, recompute, microBatches, optimizer } = run.layout;
  return yamlFile('job.yaml', {
    name: jobName(model),
    train: trainSection(model, { sequenceLength, batch, optimizer }),
    parallel: {
      data,
      tensor,
      pipeline,
      zero,
      microBatches,
      recompute,
      ...(chunks > 1
        ? {
            schedule: 'interleaved',
            virtualStages: chunks,
          }
        : {}),
    },
  });
}
