export { checkpointIntervalMs, meanTimeBetweenFailuresMs } from './checkpoint-interval.ts';
export { EarlyStopping, type EarlyStoppingOptions } from './early-stopping.ts';
export { NoiseScale } from './noise-scale.ts';
