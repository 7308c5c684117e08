export {
  KvBlocks,
  type BlockId,
  type KvBlocksOptions,
  type KvMove,
  type Sequence,
} from './cache/kv-blocks.ts';
export { Budget, type BudgetHold } from './limits/budget.ts';
export { shedFor, type ShedInput } from './limits/load-shedding.ts';
export { SlidingWindow } from './limits/sliding-window.ts';
export { TokenBucket } from './limits/token-bucket.ts';
export { BettingTest } from './rollout/betting-test.ts';
export {
  CanaryJudge,
  defaultCanaryPolicy,
  type CanaryMetric,
  type CanaryPolicy,
  type CanaryVerdict,
  type MetricEvidence,
  type Outcome,
} from './rollout/canary-judge.ts';
export { splitByWeight, stickyPoint, type Weighted } from './rollout/traffic-split.ts';
export { leastWork, type ReplicaLoad } from './routing/least-work.ts';
export {
  chooseByAffinity,
  defaultAffinityPolicy,
  type AffinityCandidate,
  type AffinityChoice,
  type AffinityPolicy,
} from './routing/prefix-affinity.ts';
export { PrefixMemory } from './routing/prefix-memory.ts';
export { promptBlocks } from './routing/prompt-blocks.ts';
export { DemandForecast, type ForecastOptions } from './scaling/demand-forecast.ts';
export { PredictiveScaler, type LoadSample, type PredictiveOptions } from './scaling/predictive-scaler.ts';
export { ReactiveScaler } from './scaling/reactive-scaler.ts';
export {
  replicasWorth,
  type ObservedLoad,
  type ReplicasWorth,
  type ScalingTargets,
} from './scaling/scaling-load.ts';
export {
  clampReplicas,
  defaultScalingPolicy,
  type ScalingDecision,
  type ScalingPolicy,
} from './scaling/scaling-policy.ts';
export { defaultBatchPolicy, type BatchPolicy, type QueuePolicy } from './batching/batch-policy.ts';
export { ShapeLanes } from './batching/shape-lanes.ts';
export type { DriftFigure, FeatureDrift, WindowComparison } from './drift/compare-windows.ts';
export {
  defaultDriftPolicy,
  DriftMonitor,
  type DriftPolicy,
  type DriftProgress,
  type DriftSample,
} from './drift/drift-monitor.ts';
export { sketchTensor, type Sketch, type SketchedTensor } from './drift/tensor-sketch.ts';
export { sketchText } from './drift/text-sketch.ts';
