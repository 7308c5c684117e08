import { join } from 'node:path';
import type { ParameterLayout } from '@gantry/training/model';
import {
  heldLayers,
  type HeldLayers,
  ownedSpans,
  stageLayout,
  type ModelConfig,
  type ParallelGrid,
  type StageLayout,
} from '@gantry/training/parallel';
import type { World } from '../group/index.ts';
import { OffloadedState } from '../offload/index.ts';
import { ModelShard, shardGroups, stateOf } from '../parallel/index.ts';
import { offloadedMoments } from './offload-plan.ts';
import type { TrainingPlan } from './training-plan.ts';
import { UserFault } from './user-fault.ts';

/** A rank's part of the model in the arena of its world, with the groups that it shares the rest with. */
export async function openShard({
  config,
  plan,
  layout,
  grid,
  world,
  runDirectory,
}: {
  readonly config: ModelConfig;
  readonly plan: TrainingPlan;
  readonly layout: ParameterLayout;
  readonly grid: ParallelGrid;
  readonly world: World;
  readonly runDirectory: string;
}): Promise<ModelShard> {
  const stage = stageLayout(config, grid, layout);
  const { offload } = plan;
  const offloaded =
    offload &&
    (await OffloadedState.open(
      {
        directory: offload.directory ?? join(runDirectory, 'offload'),
        rank: grid.rank,
        kinds: [
          ...(offload.parameters ? (['parameters'] as const) : []),
          ...(offloadedMoments[plan.optimizer.name] ?? []),
        ],
        chunkElements: offload.chunkElements,
        buffers: offload.buffers,
      },
      ownedSpans(stage, grid),
      world.arena,
    ));
  const shard = new ModelShard({
    layout: stage,
    offloaded,
    layers: heldLayersOf(stage, plan),
    limits: plan.limits,
    grid,
    zero: plan.zero,
    arena: world.arena,
    state: stateOf[plan.optimizer.name],
    compression: plan.compression,
    groups: shardGroups(world, grid),
  });
  // Parameters and gradients stay: ONNX Runtime keeps their addresses.
  for (const moment of [shard.first, shard.second]) moment.mayMove(world.arena);
  return shard;
}

function heldLayersOf({ units, length }: StageLayout, { limits }: TrainingPlan): HeldLayers {
  const sizes = units.flatMap(({ kind, from, to }) => (kind === 'layer' ? [to - from] : []));
  const layer = Math.max(0, ...sizes);
  const others = length - sizes.reduce((sum, size) => sum + size, 0);
  const held = heldLayers({ layers: sizes.length, layer, others }, limits);
  if (held !== undefined) return held;
  throw new UserFault(
    'bad_layout',
    `stage3_max_live_parameters is ${limits?.liveElements}, and one layer beside what is no layer takes ${layer + others}.`,
    `Set it to ${layer + others} or more.`,
  );
}
