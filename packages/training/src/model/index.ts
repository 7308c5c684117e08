export { transformerGraph, type GraphKind, type TransformerGraph } from './transformer-graph.ts';
export { expertCapacity } from './mixture.ts';
export { stepModelFlop } from './model-flop.ts';
export { sinusoids } from './sinusoids.ts';
export {
  fromLlama,
  type ExpertsConfig,
  type ModelFamily,
  type ModelStyle,
  type TransformerConfig,
} from './transformer-config.ts';
export { learnsMasked, modelRequest } from './model-request.ts';
export { transformerShape, ShapeError, type ShapeRequest } from './transformer-shape.ts';
export {
  eachInitialParameter,
  embeddingName,
  initialiseParameters,
  parameterLayout,
  positionsName,
  toHuggingFaceWeights,
  type Parameter,
  type ParameterLayout,
} from './parameter-layout.ts';
export { routingGraph, routingInputs, type RoutingGraph } from './routing-graph.ts';
export {
  headGraph,
  segmentGraph,
  segmentInput,
  segmentOutputGradient,
  segmentTokens,
  type HeadGraph,
  type SegmentGraph,
  type SegmentKind,
} from './segment-graph.ts';
