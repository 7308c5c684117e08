/** Tiresias (NSDI'19, §3.2): two queues by attained service, in the order of arrival inside each; all or nothing. */
import { type AdaptiveJob, fixedBatch } from './adaptive-job.ts';
import { type AdaptiveCluster, type AdaptivePolicy, placeEmptiestFirst } from './adaptive-policy.ts';

const DEMOTION_SECONDS = 16 * 3600;

export function createTiresias(cluster: AdaptiveCluster): AdaptivePolicy {
  return {
    allocate(jobs, before) {
      const queueOf = (job: AdaptiveJob): number => (job.attainedSeconds >= DEMOTION_SECONDS ? 1 : 0);
      const order = [...jobs].sort(
        (a, b) => queueOf(a) - queueOf(b) || a.spec.submittedAt - b.spec.submittedAt,
      );
      let free = cluster.nodes * cluster.devicesPerNode;
      const wanted: { job: AdaptiveJob; replicas: number }[] = [];
      for (const job of order) {
        const { replicas } = job.spec;
        if (replicas > free) continue;
        free -= replicas;
        wanted.push({ job, replicas });
      }
      return placeEmptiestFirst(cluster, wanted, before);
    },
    chooseBatch: (job) => fixedBatch(job.spec.application, job.spec.batch, job.replicas),
  };
}
