import { timeKinds } from '../profile/index.ts';
import { arenaFigures } from './arena-figures.ts';
import { dataFigures } from './training-data.ts';
import type { TrainingSession } from './training-session.ts';

/** What a rank has sent, waited for and held by the end. */
export function endFigures(
  { shard, feed, timeline }: TrainingSession,
  startedMs: number,
): Readonly<Record<string, number>> {
  const { data, tensor, pipeline, pipelineBack } = shard.groups;
  return {
    ...arenaFigures(shard.arena),
    dataSentBytes: data.sentElements * 4,
    ...(shard.leftOut === undefined ? {} : { compressionLeftOut: shard.leftOut }),
    tensorSentBytes: tensor.sentElements * 4,
    pipelineSentBytes: (pipeline.sentElements + pipelineBack.sentElements) * 4,
    ...dataFigures(feed, startedMs),
    ...Object.fromEntries(timeKinds.map((kind) => [`${kind}Seconds`, timeline.sumsMs[kind] / 1000])),
  };
}
