export {
  adamWDefaults,
  adamWUpdate,
  clipFactor,
  gradientNorm,
  type AdamWSettings,
  type AdamWState,
  type AdamWStep,
} from './adamw.ts';
export {
  adafactorDefaults,
  adafactorDecay,
  adafactorRate,
  addSquares,
  moveByFactors,
  squaredUpdate,
  type FactoredPiece,
} from './adafactor.ts';
export { afterGoodStep, afterOverflow, lossScaleStart, type LossScaleState } from './loss-scale.ts';
export { muonLength, orthogonalGraph } from './muon.ts';
export { sgdUpdate } from './sgd.ts';
export { LossWatch, type LossVerdict } from './loss-watch.ts';
export { learningRateAt, type LearningRatePlan } from './learning-rate.ts';
