/** How many replicas an endpoint may have and what each should carry. */
export interface ScalingPolicy {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Requests in progress that one replica carries at its objective. */
  readonly concurrencyPerReplica: number;
  /** Share of that to aim for: the rest is room for what comes before a new replica is up. */
  readonly targetUtilisation: number;
  /** What was seen for so long decides in quiet times, in a panic what was seen for so long. */
  readonly stableWindowSeconds: number;
  readonly panicWindowSeconds: number;
  /** Panic when the short window wants this many times what is ready. */
  readonly panicThreshold: number;
  /** At most so many times fewer replicas in one decision. */
  readonly maxScaleDownRate: number;
  /** At most so many times more. */
  readonly maxScaleUpRate: number;
  /** A lower number must have been right for so long. */
  readonly scaleDownDelaySeconds: number;
  /** Idle for so long before zero, where `minReplicas` is 0. */
  readonly scaleToZeroSeconds: number;
}

/** Knative's autoscaler defaults (KPA), with its names translated. */
export const defaultScalingPolicy: ScalingPolicy = {
  minReplicas: 1,
  maxReplicas: 10,
  concurrencyPerReplica: 16,
  targetUtilisation: 0.7,
  stableWindowSeconds: 60,
  panicWindowSeconds: 6,
  panicThreshold: 2,
  maxScaleDownRate: 2,
  maxScaleUpRate: 1_000,
  scaleDownDelaySeconds: 0,
  scaleToZeroSeconds: 30,
};

/** How many replicas there should be from now on. */
export interface ScalingDecision {
  readonly replicas: number;
  /** For the event: what was seen and why it leads there. */
  readonly reason: 'steady' | 'demand' | 'panic' | 'forecast' | 'delay' | 'idle' | 'wake';
  /** Requests in progress and waiting, averaged or forecast, that the number follows from. */
  readonly observed: number;
}

/** Within what the endpoint allows. */
export function clampReplicas(replicas: number, policy: ScalingPolicy): number {
  return Math.min(policy.maxReplicas, Math.max(policy.minReplicas, replicas));
}
