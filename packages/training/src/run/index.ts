export { BatchAdaptation, learningRateFactor, type BatchAdaptationState } from './batch-adaptation.ts';
export { checkpointIntervalMs, meanTimeBetweenFailuresMs } from './checkpoint-interval.ts';
export { EarlyStopping, type EarlyStoppingOptions, type Look, type StoppingState } from './early-stopping.ts';
export { matchParameters, type ParameterMatch } from './match-parameters.ts';
export { NoiseScale, type NoiseState } from './noise-scale.ts';
export { isWorthPacking, type SinkFigures } from './worth-packing.ts';
