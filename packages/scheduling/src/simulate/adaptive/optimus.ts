/**
 * Optimus (EuroSys'18, §4.1) with an oracle: everyone gets one device, then each next device goes
 * where it shortens the remaining time most. Knows step times and remaining steps exactly.
 */
import { type AdaptiveJob, fixedBatch } from './adaptive-job.ts';
import { type AdaptiveCluster, type AdaptivePolicy, placeEmptiestFirst } from './adaptive-policy.ts';

export function createOptimus(cluster: AdaptiveCluster): AdaptivePolicy {
  const remainingSeconds = (job: AdaptiveJob, replicas: number): number => {
    const { application, batch } = job.spec;
    const steps =
      application.iterationsUntil(application.epochs, batch) - application.iterationsUntil(job.epoch, batch);
    const { localBatch, accumulationSteps } = fixedBatch(application, batch, replicas);
    const { stepSeconds, syncSeconds } = application.stepTime(
      packed(replicas, cluster.devicesPerNode),
      localBatch,
    );
    return Math.max(1, steps) * (stepSeconds + accumulationSteps * (stepSeconds - syncSeconds));
  };
  return {
    allocate(jobs, before) {
      let free = cluster.nodes * cluster.devicesPerNode;
      const wanted = jobs.map((job) => ({ job, replicas: free > 0 ? (free--, 1) : 0, gain: 0 }));
      const regain = (entry: (typeof wanted)[number]): void => {
        const { job, replicas } = entry;
        const isLargest = replicas === 0 || replicas >= largestUseful(job, cluster);
        entry.gain = isLargest ? 0 : remainingSeconds(job, replicas) - remainingSeconds(job, replicas + 1);
      };
      for (const entry of wanted) regain(entry);
      while (free > 0 && wanted.length > 0) {
        const best = wanted.reduce((most, entry) => (entry.gain > most.gain ? entry : most));
        if (best.gain <= 0) break;
        best.replicas++;
        free--;
        regain(best);
      }
      const bySize = wanted.sort((a, b) => a.replicas - b.replicas);
      return placeEmptiestFirst(cluster, bySize, before);
    },
    chooseBatch: (job) => fixedBatch(job.spec.application, job.spec.batch, job.replicas),
  };
}

/** Never more than twice what it has run with: what lies beyond is unknown. */
function largestUseful(job: AdaptiveJob, cluster: AdaptiveCluster): number {
  const { application, batch } = job.spec;
  return Math.min(
    Math.max(2 * job.largestRun, 1),
    cluster.nodes * cluster.devicesPerNode,
    Math.floor(batch / application.minLocalBatch),
  );
}

/** As few nodes as hold them. */
export function packed(replicas: number, devicesPerNode: number): readonly number[] {
  const counts: number[] = [];
  for (let left = replicas; left > 0; left -= devicesPerNode) counts.push(Math.min(left, devicesPerNode));
  return counts;
}
