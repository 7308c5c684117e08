export { llamaGraph, type GraphKind, type LlamaGraph } from './llama-graph.ts';
export { llamaShape, ShapeError, type ShapeRequest } from './llama-shape.ts';
export {
  eachInitialParameter,
  embeddingName,
  initialiseParameters,
  parameterLayout,
  toHuggingFaceWeights,
  type Parameter,
  type ParameterLayout,
} from './parameter-layout.ts';
export {
  headGraph,
  segmentGraph,
  segmentInput,
  segmentOutputGradient,
  segmentParts,
  type HeadGraph,
  type SegmentGraph,
  type SegmentKind,
} from './segment-graph.ts';
