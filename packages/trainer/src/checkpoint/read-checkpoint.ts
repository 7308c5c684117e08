/**
 * Fills a rank's shard from a checkpoint of any layout, reading only the blocks it needs: each element is found
 * by name and column, then by the rank that owned it.
 */
import {
  gridAt,
  ownedSpans,
  rankAt,
  runsInto,
  stageLayout,
  wholeLayout,
  type ElementRun,
  type ModelConfig,
  type OwnedSpan,
  type ParallelSizes,
  type SavedStage,
} from '@gantry/training/parallel';
import { matchParameters, type ParameterMatch } from '@gantry/training/run';
import type { ModelShard } from '../parallel/model-shard.ts';
import type { SavedValues } from '../parallel/shard-options.ts';
import type { OffloadedState } from '../offload/index.ts';
import type { StageBuffer } from '../parallel/stage-buffer.ts';
import type { FoundCheckpoint } from './checkpoint-folder.ts';
import type { ShardRecord } from './checkpoint-manifest.ts';
import { ShardReader, type ShardSegment } from './shard-reader.ts';

export async function readCheckpoint(
  checkpoint: FoundCheckpoint,
  config: ModelConfig,
  shard: ModelShard,
): Promise<void> {
  const { saved, offloaded } = shard;
  try {
    const { owes, basisRank: lies } = checkpoint.manifest;
    const kinds = saved.filter(
      ({ isOwed, basisRank }) =>
        (isOwed !== true || owes === true) && (basisRank === undefined || basisRank === lies),
    );
    if (kinds.length > 0) await readKinds(checkpoint, config, kinds);
    if (owes !== true) shard.owed?.sum.values.fill(0);
    shard.owed?.take();
    if (offloaded !== undefined) await readOffloaded(checkpoint, config, shard, offloaded);
  } catch (error) {
    // Half a checkpoint is none: whoever starts anew starts from moments of zero.
    for (const { buffer } of saved) buffer.values.fill(0);
    await offloaded?.clear();
    throw error;
  }
}

/** What stands where nothing of a kind is wanted. */
const nothing: WantedValues['buffer'] = { held: () => [] };

/** A chunk at a time, for all of it would not fit. */
async function readOffloaded(
  checkpoint: FoundCheckpoint,
  config: ModelConfig,
  { layout }: ModelShard,
  offloaded: OffloadedState,
): Promise<void> {
  const order = ['parameters', 'first', 'second'] as const;
  await offloaded.fill(async (kind, held) => {
    const wanted = order.slice(0, order.indexOf(kind) + 1).map((one) => ({
      buffer: one === kind ? held : nothing,
      layout,
      layoutOf: <Same>(stage: Same): Same => stage,
    }));
    await readKinds(checkpoint, config, wanted);
  });
}

/**
 * Parameters of equal name and shape from a checkpoint of another model, without its moments; the others keep what
 * they have. Throws a sentence when it cannot be read.
 */
export async function readMatching(checkpoint: FoundCheckpoint, shard: ModelShard): Promise<ParameterMatch> {
  // What a checkpoint says of its shape is the config of the model that wrote it.
  const config = checkpoint.manifest.shape as unknown as ModelConfig;
  const wanted = shard.layout.parameters.map(({ global }) => global);
  const match = matchParameters(wanted, wholeLayout(config).parameters);
  const matched = new Set(match.matched);
  const layout = {
    ...shard.layout,
    parameters: shard.layout.parameters.filter(({ name }) => matched.has(name)),
  };
  await readKinds(checkpoint, config, [{ buffer: shard.parameters, layout, layoutOf: (stage) => stage }]);
  return match;
}

/** Where elements of one kind go. */
interface WantedValues extends Omit<SavedValues, 'buffer'> {
  readonly buffer: Pick<StageBuffer, 'held'>;
}

/** The first of the kinds of values that a checkpoint has; a rank wrote what it owned of one after the other. */
async function readKinds(
  { path, manifest }: FoundCheckpoint,
  config: ModelConfig,
  kinds: readonly WantedValues[],
): Promise<void> {
  const { layout, blockBytes, isSparse } = manifest;
  const stages = savedStages(layout, config);
  const wanted = kinds.map(({ buffer, layout: own, layoutOf, keeps }) => {
    const saved = stages.map((stage) => ({ ...stage, layout: layoutOf(stage.layout) }));
    const found = new Map(runsInto(own, saved).map(({ stage, runs }) => [stage, runs]));
    const savedOf = isSparse === true ? keeps : undefined;
    return { buffer, saved, savedOf, runsOf: (stage: SavedStage) => found.get(stage) ?? [] };
  });
  for (const [index, stage] of stages.entries()) {
    const ofStage = wanted.map(({ buffer, saved, savedOf, runsOf }) => {
      const { layout: lies } = saved[index] as SavedStage;
      return { buffer, lies, savedOf, runs: runsOf(saved[index] as SavedStage) };
    });
    if (ofStage.every(({ runs }) => runs.length === 0)) continue;
    for (let data = 0; data < layout.data; data += 1) {
      const rank = rankAt(layout, { data, tensor: stage.tensorIndex, pipeline: stage.pipelineIndex });
      const record = manifest.shards.find((one) => one.rank === rank);
      if (record === undefined) throw new Error(`the shard of rank ${rank} is missing`);
      // Shares of experts are equally large, so that all ranks wrote what they have alike at the same places.
      const hasExperts = gridAt(layout, rank).expertIndex === stage.expertIndex;
      const segments: ShardSegment[] = [];
      let base = 0;
      for (const [kind, { buffer, lies, savedOf, runs }] of ofStage.entries()) {
        const owned = ownedSpans(lies, { ...layout, dataIndex: data }, savedOf);
        const spans = owned.spans.filter(({ unit }) => unit.kind !== 'experts' || hasExperts);
        segments.push(...segmentsOf(runs, spans, buffer, record.starts?.[kind] ?? base));
        base += owned.length;
      }
      await using reader = new ShardReader(path, record, blockBytes);
      await reader.read(segments);
    }
  }
}

/** What is wanted of the spans that one rank owned; they begin at `base` of its shard. */
function segmentsOf(
  runs: readonly ElementRun[],
  spans: readonly OwnedSpan[],
  buffer: WantedValues['buffer'],
  base: number,
): ShardSegment[] {
  const segments: ShardSegment[] = [];
  for (const run of runs) {
    for (const span of spans) {
      const from = Math.max(run.from, span.from);
      const to = Math.min(run.from + run.length, span.to);
      if (from >= to) continue;
      const first = run.to + from - run.from;
      for (const held of buffer.held(first, first + to - from))
        segments.push({ from: base + span.at + from - span.from + held.from - first, into: held.values });
    }
  }
  return segments;
}

function savedStages(sizes: ParallelSizes, config: ModelConfig): SavedStage[] {
  const { tensor, pipeline, expert = 1 } = sizes;
  return Array.from({ length: tensor * pipeline * expert }, (_, index) => {
    const place = {
      tensorIndex: index % tensor,
      pipelineIndex: Math.floor(index / tensor) % pipeline,
      expertIndex: Math.floor(index / tensor / pipeline),
    };
    return { ...place, layout: stageLayout(config, { ...sizes, ...place }) };
  });
}

/** Reads every byte; the sentence that says what is wrong, or undefined. */
export async function findDamage({ path, manifest }: FoundCheckpoint): Promise<string | undefined> {
  const verify = async (record: ShardRecord): Promise<void> => {
    await using reader = new ShardReader(path, record, manifest.blockBytes);
    await reader.verify();
  };
  try {
    for (const record of manifest.shards) await verify(record);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
