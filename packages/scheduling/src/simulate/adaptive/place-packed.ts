/** Sizes onto nodes: what keeps its size stays; whole nodes first, then parts into the fullest node that holds them. */
import type { AdaptiveJob } from './adaptive-job.ts';
import type { AdaptiveCluster, Allocations } from './adaptive-policy.ts';

interface Wish {
  job: AdaptiveJob;
  replicas: number;
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
const largestFirst = (a: Wish, b: Wish): number => b.replicas - a.replicas;

export function placePacked(
  cluster: AdaptiveCluster,
  sizes: ReadonlyMap<AdaptiveJob, number>,
  before: Allocations,
): Allocations {
  const per = cluster.devicesPerNode;
  const free = Array.from({ length: cluster.nodes }, () => per);
  const result: Allocations = new Map();
  const take = (job: AdaptiveJob, counts: readonly number[]): void => {
    for (const [node, count] of counts.entries()) free[node]! -= count;
    result.set(job, counts);
  };
  /** Sizes above a node are whole nodes. */
  const put = ({ job, replicas }: Wish): boolean => {
    const counts = Array.from({ length: cluster.nodes }, () => 0);
    const fitting = [...free.keys()]
      .filter((node) => free[node]! >= Math.min(replicas, per))
      .sort((a, b) => free[a]! - free[b]!)
      .slice(0, Math.ceil(replicas / per));
    if (fitting.length * per < replicas) return false;
    for (const node of fitting) counts[node] = Math.min(replicas, per);
    take(job, counts);
    return true;
  };

  const wishes = [...sizes].map(([job, replicas]) => ({ job, replicas })).sort(largestFirst);
  const changed = wishes.filter(({ job, replicas }) => {
    const kept = before.get(job);
    if (kept === undefined || total(kept) !== replicas) return true;
    take(job, kept);
    return false;
  });
  const homeless = changed.filter((wish) => !put(wish));
  if (homeless.length === 0) return result;

  // Parts lie on nodes that are needed whole: they step aside, and come back where there is room.
  const aside: Wish[] = [];
  for (const [job, counts] of result) {
    const replicas = total(counts);
    if (replicas >= per) continue;
    for (const [node, count] of counts.entries()) free[node]! += count;
    result.delete(job);
    aside.push({ job, replicas });
  }
  const still = homeless.filter((wish) => !put(wish));
  for (const wish of aside.sort(largestFirst)) {
    const old = before.get(wish.job);
    if (old !== undefined && total(old) === wish.replicas && old.every((count, node) => count <= free[node]!))
      take(wish.job, old);
    else if (!put(wish)) still.push(wish);
  }
  // Rather smaller than not at all.
  for (const { job, replicas } of still)
    for (let smaller = Math.min(replicas, per); smaller > 0; smaller--)
      if (put({ job, replicas: smaller })) break;
  return result;
}
