export { parseDeviceList } from './device-list.ts';
export { bindingLimit, whyItWins, whyNothingFits } from './explain.ts';
export {
  currentSoftware,
  describeLayout,
  type Layout,
  microBatchesOf,
  type Software,
  type TrainingTask,
} from './layout.ts';
export { layoutTime } from './layout-time.ts';
export { pipelineTimeline } from './pipeline-timeline.ts';
export { launchWriters, type Launcher } from './launch/index.ts';
export { modelFromConfig } from './model-from-config.ts';
export { modelParameters, type ModelShape } from './model-shape.ts';
export { namedModels } from './named-models.ts';
export {
  calibrateOwn,
  narrowRun,
  readOwnCalibration,
  referenceRun,
  type MeasuredRank,
  type OwnCalibration,
} from './own/own-calibration.ts';
export { describeOwnLayout, ownLimit, whyNothingOwnFits, whyOwnWins } from './own/explain-own.ts';
export { modelOfConfig, ownConfig } from './own/own-model.ts';
export { ownJob } from './own/own-job.ts';
export { searchOwnLayouts, type OwnCandidate, type OwnTask, type OwnWish } from './own/search-own-layouts.ts';
export { oneRank, type OwnLayout, type OwnRun } from './own/own-run.ts';
export { ownMemory, type OwnMemory } from './own/own-memory.ts';
export { ownStep, type OwnStep } from './own/own-step.ts';
export type { Optimiser } from './optimiser-cost.ts';
export { PlanError } from './plan-error.ts';
export {
  searchLayouts,
  usableBytes,
  type Candidate,
  type LayoutWish,
  type Search,
} from './search-layouts.ts';
