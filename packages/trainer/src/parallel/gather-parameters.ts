/** Brings the whole model to rank 0: to validate, to sample, to export. All ranks take part. */
import type { TransformerConfig } from '@gantry/training/model';
import {
  gridAt,
  ownedSpans,
  stageLayout,
  worldSizeOf,
  type ParallelGrid,
  type StageLayout,
} from '@gantry/training/parallel';
import type { World } from '../group/index.ts';
import type { ModelShard } from './model-shard.ts';

/** Whether this rank's own buffer is the whole model already. */
export function hasWholeModel({ grid, zero }: ModelShard): boolean {
  return grid.tensor === 1 && grid.pipeline === 1 && (grid.expert ?? 1) === 1 && zero < 3;
}

/** `into` is rank 0's; the others give what they have. */
export async function gatherParameters(
  world: World,
  shard: ModelShard,
  config: TransformerConfig,
  into: Float32Array | undefined,
): Promise<void> {
  if (hasWholeModel(shard)) {
    if (into !== undefined && into !== shard.parameters.values) into.set(shard.parameters.values);
    return;
  }
  const { grid, zero } = shard;
  const own = await shard.ownParameters();
  if (grid.rank > 0) {
    if (zero === 3 || isNeeded(grid)) await world.send(0, own);
    return;
  }
  if (into === undefined) throw new Error('rank 0 needs room for the whole model');
  for (let rank = 0; rank < worldSizeOf(grid); rank += 1) {
    const place = gridAt(grid, rank);
    if (zero < 3 && !isNeeded(place)) continue;
    const layout = stageLayout(config, place);
    const owned = ownedSpans(layout, place);
    const values = rank === 0 ? own : new Float32Array(zero === 3 ? owned.length : layout.length);
    if (rank > 0) await world.receive(rank, values);
    if (zero < 3) placeStage(layout, 0, values, into);
    else
      for (const { from, to, at } of owned.spans)
        placeStage(layout, from, values.subarray(at, at + to - from), into);
  }
}

/** Without ZeRO 3 the first data-parallel ranks that have all experts have everything. */
function isNeeded({ dataIndex, expert = 1 }: ParallelGrid): boolean {
  return dataIndex < expert;
}

/** Puts the stage's elements [from, from + values.length) where they lie in the whole model. */
function placeStage(layout: StageLayout, from: number, values: Float32Array, into: Float32Array): void {
  for (const { offset, length, columns, global, shape } of layout.parameters) {
    const start = Math.max(from, offset);
    const end = Math.min(from + values.length, offset + length);
    if (start >= end) continue;
    if (columns === undefined) {
      into.set(values.subarray(start - from, end - from), global.offset + start - offset);
      continue;
    }
    const width = shape[1] as number;
    const stride = global.shape[1] as number;
    for (let at = start; at < end;) {
      const row = Math.floor((at - offset) / width);
      const column = at - offset - row * width;
      const count = Math.min(width - column, end - at);
      into.set(
        values.subarray(at - from, at - from + count),
        global.offset + row * stride + columns.from + column,
      );
      at += count;
    }
  }
}
