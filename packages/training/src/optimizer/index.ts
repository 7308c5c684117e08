export {
  adamWDefaults,
  adamWUpdate,
  clipFactor,
  gradientNorm,
  type AdamWSettings,
  type AdamWState,
  type AdamWStep,
} from './adamw.ts';
export { learningRateAt, type LearningRatePlan } from './learning-rate.ts';
