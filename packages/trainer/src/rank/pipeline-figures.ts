import { countOf } from '@gantry/kit';
import { expectedBubble, rankAt } from '@gantry/training/parallel';
import { drawPipeline } from '../profile/index.ts';
import type { TrainingSession } from './training-session.ts';

/** Draws the recorded steps of a pipeline; how long its stages stood still, beside what the formula says. */
export async function pipelineFigures({
  plan,
  environment,
}: Pick<TrainingSession, 'plan' | 'environment'>): Promise<Readonly<Record<string, number>>> {
  const { sizes, schedule, microBatches } = plan;
  const { pipeline: stages, chunks = 1 } = sizes;
  if (stages === 1) return {};
  const ranks = Array.from({ length: stages }, (_, pipeline) =>
    rankAt(sizes, { data: 0, tensor: 0, pipeline }),
  );
  const inChunks = chunks === 1 ? '' : ` of ${countOf(chunks, 'chunk')}`;
  const caption = `${schedule}, ${countOf(stages, 'stage')}${inChunks}, ${countOf(microBatches, 'micro-batch', 'micro-batches')}`;
  const pipelineBubble = await drawPipeline(environment.runDirectory, ranks, caption);
  if (pipelineBubble === undefined) return {};
  return {
    pipelineBubble,
    pipelineBubbleExpected: expectedBubble({ schedule, stages, microBatches, chunks }),
  };
}
