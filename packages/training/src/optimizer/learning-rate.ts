/** A linear warm-up to the peak, and how the rate falls from there to the last step. */
export const learningRateSchedules = ['cosine', 'linear', 'constant', 'stable', 'inverse-root'] as const;
export type LearningRateSchedule = (typeof learningRateSchedules)[number];

export interface LearningRatePlan {
  readonly schedule: LearningRateSchedule;
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/** Of the peak, where a half cosine ends. */
const cosineFloor = 0.1;
/** Of all steps, those in which a stable rate falls at last. */
const stableTail = 0.2;

interface Moment {
  /** Between the end of the warm-up (0) and the last step (1). */
  readonly progress: number;
  /** The share of steps that is still to come, this one with it: never nothing. */
  readonly left: number;
  readonly step: number;
  readonly plan: LearningRatePlan;
}

/** Shares of the peak. */
const shares: Readonly<Record<LearningRateSchedule, (at: Moment) => number>> = {
  // Loshchilov and Hutter 2017, one period.
  cosine: ({ progress }) => cosineFloor + (1 - cosineFloor) * ((1 + Math.cos(Math.PI * progress)) / 2),
  // To nothing, as BERT's (Devlin et al. 2019, appendix A.2).
  linear: ({ left }) => left,
  constant: () => 1,
  // Warm-up, stable, decay (Hu et al. 2024, §4.2): the end can be put off.
  stable: ({ left }) => Math.min(1, left / stableTail),
  // Vaswani et al. 2017, equation 3; Adafactor's companion.
  'inverse-root': ({ step, plan }) => Math.sqrt(Math.max(1, plan.warmupSteps) / step),
};

/** `step` counts from 1; the peak is reached at `warmupSteps`. */
export function learningRateAt(step: number, plan: LearningRatePlan): number {
  if (step < plan.warmupSteps) return (plan.peak * step) / plan.warmupSteps;
  const span = Math.max(1, plan.totalSteps - plan.warmupSteps);
  const progress = Math.min(1, (step - plan.warmupSteps) / span);
  const left = Math.max(0, plan.totalSteps + 1 - step) / (span + 1);
  return plan.peak * shares[plan.schedule]({ progress, left, step, plan });
}
