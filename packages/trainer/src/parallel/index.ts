export { gatherParameters, hasWholeModel } from './gather-parameters.ts';
export type { CompressionPlan } from './compression/open-gradient-sum.ts';
export { ModelShard } from './model-shard.ts';
export { shardGroups } from './shard-options.ts';
export {
  stateOf,
  openUpdateRule,
  type OptimizerName,
  type OptimizerOptions,
  type UpdateRule,
} from './update-rule.ts';
export { OverlappedScatter } from './gradient-sum/overlapped-scatter.ts';
export { OverlappedSum } from './gradient-sum/overlapped-sum.ts';
export { StageRunner } from './stage-runner.ts';
