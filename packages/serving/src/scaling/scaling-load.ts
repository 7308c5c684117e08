/**
 * Several targets, one scaler: each target says how many replicas' worth of load there is, the largest wins and
 * is handed to the scaler as the concurrency that would be the same work.
 */
export interface ScalingTargets {
  readonly concurrency?: number | undefined;
  readonly queriesPerSecond?: number | undefined;
  readonly queue?: number | undefined;
  readonly meanMs?: number | undefined;
  readonly p99Ms?: number | undefined;
  readonly tokensPerSecond?: number | undefined;
}

/** What an endpoint did lately. Latencies are absent when nothing ended. */
export interface ObservedLoad {
  readonly concurrency: number;
  readonly queue: number;
  readonly queriesPerSecond: number;
  readonly tokensPerSecond: number;
  readonly meanMs?: number | undefined;
  readonly p99Ms?: number | undefined;
}

export interface ReplicasWorth {
  readonly replicas: number;
  readonly because: keyof ScalingTargets | undefined;
}

export function replicasWorth(targets: ScalingTargets, load: ObservedLoad, ready: number): ReplicasWorth {
  let most: ReplicasWorth = { replicas: 0, because: undefined };
  for (const because of ['concurrency', 'queriesPerSecond', 'queue', 'tokensPerSecond'] as const) {
    const target = targets[because];
    if (target === undefined) continue;
    const replicas = load[because] / target;
    if (replicas > most.replicas) most = { replicas, because };
  }
  for (const because of ['meanMs', 'p99Ms'] as const) {
    const target = targets[because];
    const seen = load[because];
    if (target === undefined || seen === undefined) continue;
    // Latency is no amount of work. Above the target it asks for its share more, at most double; below, nothing.
    const replicas = seen <= target ? 0 : Math.max(1, ready) * Math.min(2, seen / target);
    if (replicas > most.replicas) most = { replicas, because };
  }
  return most;
}
