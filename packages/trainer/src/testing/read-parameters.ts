/** All parameters of a checkpoint of any layout, in the order of the whole model. */
import type { TransformerConfig } from '@gantry/training/model';
import { gridAt, stageLayout } from '@gantry/training/parallel';
import { openCheckpoint, readCheckpoint } from '../checkpoint/index.ts';
import { joinWorld } from '../group/index.ts';
import { ModelShard, shardGroups, stateOf, type OptimizerName } from '../parallel/index.ts';

export async function readParameters(path: string): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(path);
  const config = checkpoint.manifest.shape as unknown as TransformerConfig;
  const grid = gridAt({ data: 1, tensor: 1, pipeline: 1 }, 0);
  await using world = await joinWorld({ rank: 0, worldSize: 1, transport: { kind: 'unix', directory: '' } });
  const shard = new ModelShard({
    layout: stageLayout(config, grid),
    grid,
    zero: 0,
    state: stateOf[checkpoint.manifest.optimizer as OptimizerName],
    groups: shardGroups(world, grid),
    arena: world.arena,
  });
  await readCheckpoint(checkpoint, config, shard);
  return shard.parameters.values;
}
