/** What the job says of its data → what is prepared of it, and in which order it is read. */
import {
  createMixtureSampler,
  createWindowSampler,
  type SequenceSampler,
  type ShardedSampler,
} from '@gantry/training/sampler';
import {
  sequencesOf,
  type BatchFeed,
  type CleaningPlan,
  type DataSource,
  type PreparedDataset,
} from '../data/index.ts';
import type { TrainingJob } from './training-job.ts';

type TrainSection = TrainingJob['train'];

/** All plain patterns are one source of weight 1; it comes first. None where the data is prepared. */
export function sourcesOf(data: TrainSection['data']): DataSource[] {
  const patterns = data.filter((one) => typeof one === 'string');
  const plain: DataSource[] = patterns.length === 0 ? [] : [{ name: 'data', patterns, weight: 1 }];
  const weighted = data.flatMap((one) =>
    typeof one === 'string' || 'prepared' in one
      ? []
      : [{ name: one.name ?? (one.files[0] as string), patterns: one.files, weight: one.weight }],
  );
  return [...plain, ...weighted];
}

/** The folder that another job has filled, as the job names it. */
export function preparedFolderOf(data: TrainSection['data']): string | undefined {
  for (const one of data) if (typeof one !== 'string' && 'prepared' in one) return one.prepared;
  return undefined;
}

/** Shards that are learned from at a time; undefined: all of them. */
export function streamWindowOf(data: TrainSection['data']): number | undefined {
  for (const one of data) if (typeof one !== 'string' && 'prepared' in one) return one.stream?.shards;
  return undefined;
}

export function cleaningOf(clean: TrainSection['clean']): CleaningPlan | undefined {
  if (clean === undefined) return undefined;
  const { quality, duplicates, nearDuplicates, heldOut } = clean;
  return {
    quality: quality === true ? {} : quality === false ? undefined : quality,
    duplicates,
    nearDuplicates: nearDuplicates === false ? undefined : nearDuplicates,
    heldOut,
  };
}

export interface TrainingOrder extends SequenceSampler {
  /**
   * Shards of the training part that are read at positions `from` to `to`, the soonest first; of several sources some
   * that are read a little earlier or later too.
   */
  shardsBetween(from: number, to: number): readonly number[];
}

/** Sources in the proportion of their weights, each in an order of its own: of all it has, or of so many shards at a time. */
export function samplerOf(
  { sources, train }: PreparedDataset,
  time: number,
  seed: number,
  windowShards: number = Infinity,
): TrainingOrder {
  let first = 0;
  const parts = sources.map(({ weight, shards }) => {
    const { starts, sequences } = sequencesOf(train.shards.slice(first, first + shards), time);
    const part = { weight, sequences, starts, shards, firstShard: first };
    first += shards;
    return part;
  });
  const isWhole = windowShards === Infinity;
  const windows = new Map<number, ShardedSampler>();
  const mixture = createMixtureSampler(
    parts.map(({ weight, sequences, starts }, source) => ({
      weight,
      sequences,
      ...(isWhole
        ? {}
        : {
            order: (own: number): SequenceSampler => {
              const order = createWindowSampler(starts, windowShards, own);
              windows.set(source, order);
              return order;
            },
          }),
    })),
    seed,
  );
  const shardsBetween = (from: number, to: number): readonly number[] =>
    parts.flatMap(({ shards, firstShard }, source) => {
      const turns = parts.length === 1 ? { from, to } : mixture.turnsBetween(from, to, source);
      const needed =
        windows.get(source)?.shardsBetween(turns.from, turns.to) ?? Array.from({ length: shards }).keys();
      return [...needed].map((shard) => firstShard + shard);
    });
  return { ...mixture, shardsBetween };
}

/** How many documents were looked at, how many cleaning left out by reason, how many lie over a border. */
export function preparationFacts({ cleaning, packing }: PreparedDataset): Readonly<Record<string, number>> {
  const byReason = Object.entries(cleaning?.dropped ?? {}).map(
    ([reason, count]) => [`dropped_${reason}`, count] as const,
  );
  return {
    ...(cleaning === undefined ? {} : { documents: cleaning.documents }),
    ...Object.fromEntries(byReason),
    ...(packing === undefined ? {} : { cutDocuments: packing.cut, cutDocumentsInOrder: packing.cutInOrder }),
  };
}

/** How fast the data came since `startedMs`, and how long the rank stood still for it. */
export function dataFigures(feed: BatchFeed, startedMs: number): Readonly<Record<string, number>> {
  const { tokens, readMs, stallMs, lateBatches } = feed.statistics();
  return {
    dataTokensPerSecond: Math.round(tokens / Math.max(readMs / 1000, 1e-6)),
    dataStallSeconds: stallMs / 1000,
    dataStallFraction: stallMs / (performance.now() - startedMs),
    dataLateBatches: lateBatches,
  };
}
