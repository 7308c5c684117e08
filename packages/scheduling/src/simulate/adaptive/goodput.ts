/**
 * Goodput (after Pollux, OSDI'21, §4): every size of a job is worth its progress a second, with the
 * batch that is best for it, relative to one device. Devices go where they add most worth, and a job
 * counts less the more service it has had (as in Tiresias), so short ones end early. Step times are
 * learned, the noise of the gradient is what the job last measured; nothing is known beforehand.
 */
import { RESTART_SECONDS, type AdaptiveJob } from './adaptive-job.ts';
import type { AdaptiveCluster, AdaptivePolicy } from './adaptive-policy.ts';
import { GoodputTable } from './goodput-table.ts';
import { placePacked } from './place-packed.ts';

/** Chosen on workloads 1–4 at 1.0x; the 2.0x lists were looked at only to choose the power. */
const SERVICE_POWER = 0.25;
/** Attained device-seconds below which all jobs count as equally young. */
const YOUNG_SECONDS = 600;
/** Over this time a change of size must pay for its restart. */
const HORIZON_SECONDS = 300;
/** Sizes are considered again when a job comes or goes, and otherwise this often. */
const INTERVAL_SECONDS = 600;
/** Sooner, while a job is still finding out how far it scales. */
const GROWTH_INTERVAL_SECONDS = 120;

export function createGoodput(cluster: AdaptiveCluster): AdaptivePolicy {
  const total = cluster.nodes * cluster.devicesPerNode;
  const table = new GoodputTable(cluster);
  const sizes = usefulSizes(cluster);
  let decidedAt = -Infinity;
  let decidedFor = '';

  const worth = (job: AdaptiveJob, replicas: number): number => {
    const packedNodes = Math.ceil(replicas / cluster.devicesPerNode);
    const speedup = table.best(job, packedNodes, replicas).goodput / table.best(job, 1, 1).goodput;
    const restart =
      replicas === job.replicas ? 0 : Math.min(0.5, (RESTART_SECONDS + job.restartLeft) / HORIZON_SECONDS);
    return (speedup * (1 - restart)) / (job.attainedSeconds + YOUNG_SECONDS) ** SERVICE_POWER;
  };

  return {
    allocate(jobs, before, now) {
      const names = jobs.map(({ spec }) => spec.name).join();
      const isGrowing = jobs.some(
        (job) => job.replicas > 0 && job.restartLeft === 0 && job.largestRun < cluster.devicesPerNode,
      );
      const interval = isGrowing ? GROWTH_INTERVAL_SECONDS : INTERVAL_SECONDS;
      if (names === decidedFor && now - decidedAt < interval) return before;
      decidedAt = now;
      decidedFor = names;
      return placePacked(cluster, chooseSizes(jobs, total, sizes, worth, table), before);
    },
    chooseBatch: (job) => table.best(job, job.placement.length, job.replicas).choice,
  };
}

/** One device each while there are any, then always the growth that adds most worth for its devices. */
function chooseSizes(
  jobs: readonly AdaptiveJob[],
  total: number,
  sizes: readonly number[],
  worth: (job: AdaptiveJob, replicas: number) => number,
  table: GoodputTable,
): Map<AdaptiveJob, number> {
  let free = total;
  const chosen = new Map<AdaptiveJob, number>();
  const first = jobs.map((job) => ({ job, worth: worth(job, 1) })).sort((a, b) => b.worth - a.worth);
  for (const { job } of first.slice(0, free)) {
    chosen.set(job, 1);
    free--;
  }
  interface Growth {
    to: number;
    rate: number;
  }
  const best = (job: AdaptiveJob): Growth | null => {
    const from = chosen.get(job)!;
    const most = table.largest(job);
    let found: Growth | null = null;
    for (const to of sizes) {
      if (to <= from || to > most || to - from > free) continue;
      const rate = (worth(job, to) - worth(job, from)) / (to - from);
      if (rate > 1e-15 && (found === null || rate > found.rate)) found = { to, rate };
    }
    return found;
  };
  const growth = new Map([...chosen.keys()].map((job) => [job, best(job)]));
  for (;;) {
    let top: { job: AdaptiveJob; growth: Growth } | null = null;
    for (const [job, candidate] of growth) {
      // What was possible when it was computed may be too large by now.
      const now = candidate !== null && candidate.to - chosen.get(job)! > free ? best(job) : candidate;
      if (now !== candidate) growth.set(job, now);
      if (now !== null && (top === null || now.rate > top.growth.rate)) top = { job, growth: now };
    }
    if (top === null) return chosen;
    free -= top.growth.to - chosen.get(top.job)!;
    chosen.set(top.job, top.growth.to);
    growth.set(top.job, best(top.job));
  }
}

/** Parts of a node, then whole nodes only. */
function usefulSizes({ nodes, devicesPerNode }: AdaptiveCluster): number[] {
  const parts = Array.from({ length: devicesPerNode - 1 }, (_, index) => index + 1);
  return [...parts, ...Array.from({ length: nodes }, (_, index) => (index + 1) * devicesPerNode)];
}
