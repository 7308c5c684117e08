export { checkAskedLayout, parallelSizes } from './asked-layout.ts';
export { factoredLayout, factorNames, isFactored } from './factored-layout.ts';
export {
  checkParallelSizes,
  gridAt,
  groupsOf,
  pipelineSchedules,
  rankAt,
  sizesOf,
  worldSizeOf,
  type GridGroups,
  type ParallelGrid,
  type ParallelSizes,
  type PipelineSchedule,
  type ZeroStage,
} from './parallel-grid.ts';
export { gainsFromPower, powerBasisName, powerLayout } from './power-layout.ts';
export { expectedBubble, measuredBubble, pipelineSvg, type PipelineSpan } from './pipeline-diagram.ts';
export { microBatchesInFlight, pipelineActions, type PipelineShape } from './pipeline-schedule.ts';
export {
  commonLayout,
  layersOfChunks,
  stageLayout,
  wholeLayout,
  type ModelConfig,
  type StageLayout,
  type StageParameter,
  type StagePlace,
  type StageUnit,
} from './stage-layout.ts';
export { isLayerMatrix, isNoLayerMatrix, isOfLayer } from './layer-matrices.ts';
export {
  ownedPart,
  ownedParts,
  ownedSpans,
  ownerOf,
  type KeptOf,
  type OwnedSpan,
  type OwnedSpans,
} from './owned-spans.ts';
export { StragglerWatch } from './straggler-watch.ts';
export { runsInto, type ElementRun, type SavedStage, type StageRuns } from './reshard.ts';
export { heldLayers, type HeldLayers } from './held-layers.ts';
export type { ZeroLimits } from './zero-limits.ts';
export { packPersistent, partsWithin, unitCuts, type PackedParameters } from './unit-cuts.ts';
