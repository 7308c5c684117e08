export { CONTAINERS_LABEL } from './containers-label.ts';
export { DemandWatch } from './ahead/demand-watch.ts';
export { canEverRun, type ClusterShape } from './can-ever-run.ts';
export { isTolerated } from './class-request.ts';
export { Engine } from './engine.ts';
export { findOffender } from './find-offender.ts';
export { lostDeviceSeconds } from './lost-work.ts';
export { MoveBudget, movesIn } from './move-budget.ts';
export { nextLookMs } from './next-look.ts';
export { RecentUse } from './recent-use.ts';
export type {
  Eviction,
  EvictionReason,
  NearestMiss,
  Placement,
  Plan,
  Reduced,
  Resize,
  UnblockChange,
  Waiting,
} from './plan.ts';
export { planCycle, type PlanOptions } from './plan-cycle.ts';
export { PLACEMENT_NAMES, type PlanSettings, toPlanOptions } from './plan-settings.ts';
export { typicalTasks } from './typical-tasks.ts';
export { QUEUE_POLICIES, type QueuePolicyName } from './policies.ts';
export {
  describeChange,
  describeReason,
  describeReduced,
  type Reason,
  type ReasonTier,
  type UnsatisfiableDetail,
} from './reason.ts';
export {
  bestFit,
  createShadowPrice,
  firstFit,
  PLACEMENTS,
  type Scorer,
  shadowPrice,
  worstFit,
} from './scorers.ts';
export {
  type AllocationMember,
  DEFAULT_TOPOLOGY_LEVELS,
  type DataNeed,
  type DeviceState,
  type ExpectedPeak,
  type GroupRequest,
  type NodeLive,
  type NodeState,
  type QueueNode,
  RESOURCE_NAMES,
  type ResourceName,
  type ResourceVector,
  type Snapshot,
  type SliceWish,
  SnapshotError,
  type Taint,
  type TaskGroup,
  type Toleration,
  type TopologyWish,
  type Workload,
} from './snapshot.ts';
export { FIELDS as RULE_FIELDS } from './rules/fields.ts';
export { type Rule, RuleBook, ruleProblems } from './rules/rules.ts';
export { estimateStarts } from './runtimes/estimate-starts.ts';
export {
  type Calibration,
  type RuntimeAsk,
  type RuntimeGuess,
  RuntimeModel,
} from './runtimes/runtime-model.ts';
export { type StartEstimate, StartEstimates } from './runtimes/start-estimates.ts';
