import type { ModelShard } from '../parallel/index.ts';
import { timeKinds } from '../profile/index.ts';
import { arenaFigures } from './arena-figures.ts';
import { dataFigures } from './training-data.ts';
import type { TrainingSession } from './training-session.ts';

/** What a rank has sent, waited for and held by the end. */
export function endFigures(
  { shard, feed, timeline, background }: TrainingSession,
  startedMs: number,
): Readonly<Record<string, number>> {
  const { data, tensor, pipeline, pipelineBack, expert, expertCopies } = shard.groups;
  return {
    ...arenaFigures(shard.arena),
    dataSentBytes: (data.sentElements + expertCopies.sentElements + (background?.sentElements ?? 0)) * 4,
    ...zeroFigures(shard),
    ...(shard.leftOut === undefined ? {} : { compressionLeftOut: shard.leftOut }),
    tensorSentBytes: tensor.sentElements * 4,
    pipelineSentBytes: (pipeline.sentElements + pipelineBack.sentElements) * 4,
    ...(expert.size === 1 ? {} : { expertSentBytes: expert.sentElements * 4 }),
    ...dataFigures(feed, startedMs),
    ...Object.fromEntries(timeKinds.map((kind) => [`${kind}Seconds`, timeline.sumsMs[kind] / 1000])),
  };
}

/** What the limits on ZeRO's exchanges came to. */
function zeroFigures({ zero, exchange: { figures } }: ModelShard): Readonly<Record<string, number>> {
  if (zero === 0) return {};
  const { largestSum, largestGather, gathers, early } = figures;
  return {
    zeroLargestSumBytes: largestSum * 4,
    zeroLargestGatherBytes: largestGather * 4,
    zeroGathers: gathers,
    zeroEarlyLayers: early,
  };
}
