export { llamaGraph, type GraphKind, type LlamaGraph } from './llama-graph.ts';
export { llamaShape, ShapeError, type ShapeRequest } from './llama-shape.ts';
export {
  embeddingName,
  initialiseParameters,
  parameterLayout,
  toHuggingFaceWeights,
  type Parameter,
  type ParameterLayout,
} from './parameter-layout.ts';
