/** A policy of the adaptive experiment: every round it says how many devices of each node every job has. */
import type { AdaptiveJob, BatchChoice } from './adaptive-job.ts';

/** Devices by node; a job that is not named has none. */
export type Allocations = Map<AdaptiveJob, readonly number[]>;

export interface AdaptiveCluster {
  nodes: number;
  devicesPerNode: number;
}

export interface AdaptivePolicy {
  allocate(jobs: readonly AdaptiveJob[], before: Allocations, now: number): Allocations;
  chooseBatch(job: AdaptiveJob): BatchChoice;
}

/** Keeps those whose size stays, and puts the others on the emptiest nodes first. */
export function placeEmptiestFirst(
  cluster: AdaptiveCluster,
  wanted: readonly { job: AdaptiveJob; replicas: number }[],
  before: Allocations,
): Allocations {
  const free = Array.from({ length: cluster.nodes }, () => cluster.devicesPerNode);
  const result: Allocations = new Map();
  for (const { job, replicas } of wanted) {
    const kept = before.get(job);
    if (kept === undefined || kept.reduce((sum, count) => sum + count, 0) !== replicas) continue;
    result.set(job, kept);
    for (const [node, count] of kept.entries()) free[node]! -= count;
  }
  for (const { job, replicas } of wanted) {
    if (result.has(job) || replicas === 0) continue;
    const counts = Array.from({ length: cluster.nodes }, () => 0);
    for (let left = replicas; left > 0;) {
      const node = free.indexOf(Math.max(...free));
      const taken = Math.min(free[node]!, left);
      if (taken === 0) throw new RangeError('more devices were promised than there are');
      counts[node]! += taken;
      free[node]! -= taken;
      left -= taken;
    }
    result.set(job, counts);
  }
  return result;
}
