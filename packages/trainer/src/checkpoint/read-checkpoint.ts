/**
 * Fills a rank's shard from a checkpoint of any layout, reading only the blocks it needs: each element is found
 * by name and column, then by the rank that owned it.
 */
import {
  ownedSpans,
  rankAt,
  runsInto,
  stageLayout,
  type ElementRun,
  type SavedStage,
} from '@gantry/training/parallel';
import type { ModelShard } from '../parallel/model-shard.ts';
import type { FoundCheckpoint } from './checkpoint-folder.ts';
import type { ShardRecord } from './checkpoint-manifest.ts';
import { ShardReader, type ShardSegment } from './shard-reader.ts';

type ModelConfig = Parameters<typeof stageLayout>[0];

export async function readCheckpoint(
  { path, manifest }: FoundCheckpoint,
  config: ModelConfig,
  shard: ModelShard,
): Promise<void> {
  const { layout, blockBytes } = manifest;
  try {
    for (const { stage, runs } of runsInto(shard.layout, savedStages(manifest.layout, config))) {
      for (let data = 0; data < layout.data; data += 1) {
        const rank = rankAt(layout, { data, tensor: stage.tensorIndex, pipeline: stage.pipelineIndex });
        const record = manifest.shards.find((one) => one.rank === rank);
        if (record === undefined) throw new Error(`the shard of rank ${rank} is missing`);
        await using reader = new ShardReader(path, record, blockBytes);
        await reader.read(segmentsOf(runs, ownedSpans(stage.layout, data, layout.data), shard));
      }
    }
  } catch (error) {
    // Half a checkpoint is none: whoever starts anew starts from moments of zero.
    for (const { values } of shard.saved) values.fill(0);
    throw error;
  }
}

/** What the shard wants of the spans that one rank owned. */
function segmentsOf(
  runs: readonly ElementRun[],
  owned: ReturnType<typeof ownedSpans>,
  shard: ModelShard,
): ShardSegment[] {
  const segments: ShardSegment[] = [];
  for (const [kind, buffer] of shard.saved.entries()) {
    const base = kind * owned.length;
    for (const run of runs) {
      for (const span of owned.spans) {
        const from = Math.max(run.from, span.from);
        const to = Math.min(run.from + run.length, span.to);
        if (from >= to) continue;
        const first = run.to + from - run.from;
        for (const held of buffer.held(first, first + to - from))
          segments.push({ from: base + span.at + from - span.from + held.from - first, into: held.values });
      }
    }
  }
  return segments;
}

function savedStages(
  { tensor, pipeline }: { tensor: number; pipeline: number },
  config: ModelConfig,
): SavedStage[] {
  return Array.from({ length: tensor * pipeline }, (_, index) => {
    const [tensorIndex, pipelineIndex] = [index % tensor, Math.floor(index / tensor)];
    return {
      tensorIndex,
      pipelineIndex,
      layout: stageLayout(config, { tensor, tensorIndex, pipeline, pipelineIndex }),
    };
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
