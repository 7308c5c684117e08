export {
  activationBytes,
  iterationFlop,
  parameterCount,
  pipelineBubble,
  trainingSeconds,
  type ActivationChoice,
  type Transformer,
} from './transformer-cost.ts';
export { modelStateBytes, type ModelStateBytes, type Precision, type ZeroStage } from './zero-memory.ts';
