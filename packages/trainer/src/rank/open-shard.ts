import type { ParameterLayout } from '@gantry/training/model';
import { type ModelConfig, type ParallelGrid, groupsOf, stageLayout } from '@gantry/training/parallel';
import type { World } from '../group/index.ts';
import { ModelShard, stateOf } from '../parallel/index.ts';
import type { TrainingPlan } from './training-plan.ts';

/** A rank's part of the model in the arena of its world, with the groups that it shares the rest with. */
export function openShard({
  config,
  plan,
  layout,
  grid,
  world,
}: {
  readonly config: ModelConfig;
  readonly plan: TrainingPlan;
  readonly layout: ParameterLayout;
  readonly grid: ParallelGrid;
  readonly world: World;
}): ModelShard {
  const members = groupsOf(grid);
  return new ModelShard({
    layout: stageLayout(config, grid, layout),
    grid,
    zero: plan.zero,
    arena: world.arena,
    state: stateOf[plan.optimizer.name],
    compression: plan.compression,
    groups: {
      data: world.subgroup(members.data, 1),
      tensor: world.subgroup(members.tensor, 2),
      pipeline: world.subgroup(members.pipeline, 3),
      pipelineBack: world.subgroup(members.pipeline, 5),
      embedding: world.subgroup(members.embedding, 4),
    },
  });
}
