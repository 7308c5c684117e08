/**
 * Several targets, one scaler: each target says how many replicas' worth of load there is, the largest wins and
 * is handed to the scaler as the concurrency that would be the same work.
 */
export interface ScalingTargets {
  /** Of one replica, like every target but the latencies: requests in progress or waiting. */
  readonly concurrency?: number | undefined;
  readonly queriesPerSecond?: number | undefined;
  readonly queue?: number | undefined;
  readonly meanMs?: number | undefined;
  readonly p99Ms?: number | undefined;
  readonly tokensPerSecond?: number | undefined;
  /** Of the cores, memory and devices that a replica was given. */
  readonly cpuPercent?: number | undefined;
  readonly memoryPercent?: number | undefined;
  readonly devicePercent?: number | undefined;
}

/** What an endpoint did lately. Latencies are absent when nothing ended, use where it is not known. */
export interface ObservedLoad {
  readonly concurrency: number;
  readonly queue: number;
  readonly queriesPerSecond: number;
  readonly tokensPerSecond: number;
  readonly meanMs?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Mean over the replicas that serve. */
  readonly cpuPercent?: number | undefined;
  readonly memoryPercent?: number | undefined;
  readonly devicePercent?: number | undefined;
}

export interface ReplicasWorth {
  /** Not rounded. */
  readonly replicas: number;
  /** The target that asks for the most; undefined where there is no load. */
  readonly because: keyof ScalingTargets | undefined;
}

/** Kubernetes' horizontal autoscaler: use within a tenth of its target changes nothing. */
const useTolerance = 0.1;

/** `ready`: replicas that serve now; latencies and use are theirs. */
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
  for (const because of ['cpuPercent', 'memoryPercent', 'devicePercent'] as const) {
    const target = targets[because];
    const seen = load[because];
    // A replica holds its memory though nobody asks: use of an endpoint that is not asked is no work.
    if (target === undefined || seen === undefined || load.queriesPerSecond === 0) continue;
    const ratio = seen / target;
    const replicas = Math.max(1, ready) * (Math.abs(ratio - 1) <= useTolerance ? 1 : ratio);
    if (replicas > most.replicas) most = { replicas, because };
  }
  return most;
}
