export { gatherParameters, hasWholeModel } from './gather-parameters.ts';
export { ModelShard, type ShardGroups } from './model-shard.ts';
export { StageRunner } from './stage-runner.ts';
