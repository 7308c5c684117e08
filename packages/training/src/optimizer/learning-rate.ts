/** Linear warm-up, then a half cosine down to `finalFraction` of the peak (Loshchilov and Hutter 2017). */
export interface LearningRatePlan {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  readonly finalFraction: number;
}

/** `step` counts from 1; the peak is reached at `warmupSteps`, the floor at `totalSteps`. */
export function learningRateAt(step: number, plan: LearningRatePlan): number {
  if (step < plan.warmupSteps) return (plan.peak * step) / plan.warmupSteps;
  const span = Math.max(1, plan.totalSteps - plan.warmupSteps);
  const progress = Math.min(1, (step - plan.warmupSteps) / span);
  const cosine = (1 + Math.cos(Math.PI * progress)) / 2;
  return plan.peak * (plan.finalFraction + (1 - plan.finalFraction) * cosine);
}
