export { parseDeviceList } from './device-list.ts';
export { bindingLimit, whyItWins, whyNothingFits } from './explain.ts';
export { currentSoftware, describeLayout, type Layout, type Software, type TrainingTask } from './layout.ts';
export { launchWriters, type Launcher } from './launch/index.ts';
export { modelFromConfig } from './model-from-config.ts';
export { modelParameters, type ModelShape } from './model-shape.ts';
export { namedModels } from './named-models.ts';
export { PlanError } from './plan-error.ts';
export {
  searchLayouts,
  usableBytes,
  type Candidate,
  type LayoutWish,
  type Search,
} from './search-layouts.ts';
