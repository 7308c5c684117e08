/**
 * Goodput (after Pollux, OSDI'21, §4): every size of a job is worth its progress a second, with the
 * batch that is best for it, relative to one device. Devices go where they add most worth, and a job
 * counts less the more service it has had (as in Tiresias), so short ones end early. Step times are
 * learned, the noise of the gradient is what the job last measured; nothing is known beforehand.
 */
import { chooseSizes } from '../../speed/choose-sizes.ts';
import { youth } from '../../speed/youth.ts';
import { RESTART_SECONDS, type AdaptiveJob } from './adaptive-job.ts';
import type { AdaptiveCluster, AdaptivePolicy } from './adaptive-policy.ts';
import { GoodputTable } from './goodput-table.ts';
import { placePacked } from './place-packed.ts';

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
    return speedup * (1 - restart) * youth(job.attainedSeconds);
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
      const first = jobs.map((job) => ({ job, worth: worth(job, 1) })).sort((a, b) => b.worth - a.worth);
      const chosen = chooseSizes(
        first.map(({ job }) => job),
        total,
        {
          sizes: (job) => sizes.slice(0, sizes.findLastIndex((size) => size <= table.largest(job)) + 1),
          worth,
          devices: () => 1,
        },
      );
      return placePacked(cluster, chosen, before);
    },
    chooseBatch: (job) => table.best(job, job.placement.length, job.replicas).choice,
  };
}

/** Parts of a node, then whole nodes only. */
function usefulSizes({ nodes, devicesPerNode }: AdaptiveCluster): number[] {
  const parts = Array.from({ length: devicesPerNode - 1 }, (_, index) => index + 1);
  return [...parts, ...Array.from({ length: nodes }, (_, index) => (index + 1) * devicesPerNode)];
}
