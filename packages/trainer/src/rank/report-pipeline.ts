/** `train.profile` of a pipeline: the picture, and how long its stages stood still beside what the formula says. */
import { expectedBubble, rankAt } from '@gantry/training/parallel';
import { drawPipeline } from '../profile/index.ts';
import type { ReportWriter } from './report-writer.ts';
import type { TrainingSession } from './training-session.ts';

/** Rank 0 calls it at step `step`, when every rank has written its trace. */
export async function reportPipeline(
  { plan, environment, resumed }: Pick<TrainingSession, 'plan' | 'environment' | 'resumed'>,
  reports: ReportWriter,
  step: number,
): Promise<void> {
  const { sizes, schedule, microBatches, profile } = plan;
  if (profile === undefined || sizes.pipeline === 1) return;
  const lastStep = profile.fromStep + profile.steps - 1;
  if ((resumed?.step ?? 0) >= profile.fromStep || step < lastStep) return;
  const ranks = Array.from({ length: sizes.pipeline }, (_, pipeline) =>
    rankAt(sizes, { data: 0, tensor: 0, pipeline }),
  );
  const { pipeline: stages, chunks = 1 } = sizes;
  const inChunks = chunks === 1 ? '' : ` of ${chunks} chunks`;
  const caption = `${schedule}, ${stages} stages${inChunks}, ${microBatches} micro-batches`;
  const pipelineBubble = await drawPipeline(environment.runDirectory, ranks, caption);
  if (pipelineBubble === undefined) return;
  const pipelineBubbleExpected = expectedBubble({ schedule, stages, microBatches, chunks });
  await reports.write({ type: 'metric', step: lastStep, values: { pipelineBubble, pipelineBubbleExpected } });
}
