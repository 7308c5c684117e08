/** How many replicas an endpoint may have and what each should carry. */
export interface ScalingPolicy {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Requests in progress that one replica carries at its objective. */
  readonly concurrencyPerReplica: number;
  /** Share of that to aim for: the rest is room for what comes before a new replica is up. */
  readonly targetUtilisation: number;
  readonly stableWindowSeconds: number;
  readonly panicWindowSeconds: number;
  /** Panic when the short window wants this many times what is ready. */
  readonly panicThreshold: number;
  /** At most so many times fewer replicas in one decision. */
  readonly maxScaleDownRate: number;
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

export interface ScalingDecision {
  readonly replicas: number;
  /** For the event: what was seen and why it leads there. */
  readonly reason: 'steady' | 'demand' | 'panic' | 'forecast' | 'delay' | 'idle' | 'wake';
  readonly observed: number;
}

export function clampReplicas(replicas: number, policy: ScalingPolicy): number {
  return Math.min(policy.maxReplicas, Math.max(policy.minReplicas, replicas));
}
