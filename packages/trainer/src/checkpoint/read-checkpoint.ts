/**
 * Fills a rank's shard from a checkpoint of any layout, reading only the blocks it needs: each element is found
 * by name and column, then by the rank that owned it.
 */
import type { LlamaConfig } from '@gantry/formats';
import { ownedSpans, rankAt, runsInto, stageLayout, type SavedStage } from '@gantry/training/parallel';
import type { ModelShard } from '../parallel/model-shard.ts';
import type { StageBuffer } from '../parallel/stage-buffer.ts';
import type { FoundCheckpoint } from './checkpoint-folder.ts';
import type { ShardRecord } from './checkpoint-manifest.ts';
import { ShardReader } from './shard-reader.ts';

export async function readCheckpoint(
  { path, manifest }: FoundCheckpoint,
  config: LlamaConfig,
  shard: ModelShard,
): Promise<void> {
  const { layout, blockBytes } = manifest;
  for (const { stage, runs } of runsInto(shard.layout, savedStages(manifest.layout, config))) {
    for (let data = 0; data < layout.data; data += 1) {
      const rank = rankAt(layout, { data, tensor: stage.tensorIndex, pipeline: stage.pipelineIndex });
      const record = manifest.shards.find((one) => one.rank === rank);
      if (record === undefined) throw new Error(`the shard of rank ${rank} is missing`);
      const owned = ownedSpans(stage.layout, data, layout.data);
      await using reader = new ShardReader(path, record, blockBytes);
      for (const [kind, buffer] of shard.saved.entries()) {
        const base = kind * owned.length;
        for (const run of runs) {
          for (const span of owned.spans) {
            const from = Math.max(run.from, span.from);
            const to = Math.min(run.from + run.length, span.to);
            if (from >= to) continue;
            const source = base + span.at + from - span.from;
            await copyHeld(buffer, run.to + from - run.from, to - from, source, reader);
          }
        }
      }
    }
  }
}

/** Of elements [target, target + length) of the stage only those that the buffer holds are read. */
async function copyHeld(
  buffer: StageBuffer,
  target: number,
  length: number,
  source: number,
  reader: ShardReader,
): Promise<void> {
  for (const { from, to } of buffer.held(target, target + length)) {
    const start = source + from - target;
    await reader.read(start, to - from, (at, values) => buffer.write(from + at - start, values));
  }
}

function savedStages(
  { tensor, pipeline }: { tensor: number; pipeline: number },
  config: LlamaConfig,
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
