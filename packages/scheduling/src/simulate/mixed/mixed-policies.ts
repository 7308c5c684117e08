/**
 * Who runs on which device model in the next round. Two policies give every job the same share: the
 * blind one counts time and takes models as equal, the aware one counts what the time was worth.
 */
import { assignModels, type ModelSpeeds } from '../../speed/assign-models.ts';
import type { MixedJob } from './mixed-job.ts';

/** Devices by model. */
export type MixedCluster = ReadonlyMap<string, number>;
export type RoundPolicy = (
  jobs: readonly MixedJob[],
  cluster: MixedCluster,
  now: number,
) => Map<MixedJob, string>;

const inOrderOf = (jobs: readonly MixedJob[], value: (job: MixedJob) => number): MixedJob[] => {
  const values = new Map(jobs.map((job) => [job, value(job)]));
  return [...jobs].sort(
    (a, b) => values.get(a)! - values.get(b)! || a.spec.arrivalSeconds - b.spec.arrivalSeconds,
  );
};

const SPEEDS: ModelSpeeds<MixedJob> = {
  devices: ({ spec }) => spec.devices,
  speedOn: (job, model) => job.speedOn(model),
};

/** Max-min fairness of time, blind to models: over time a job sees every model in proportion. */
const blind: RoundPolicy = (jobs, cluster, now) => {
  const free = new Map(cluster);
  const result = new Map<MixedJob, string>();
  const order = inOrderOf(jobs, (job) => job.ranSeconds / Math.max(1, now - job.spec.arrivalSeconds));
  for (const job of order) {
    let chosen: string | null = null;
    let least = Infinity;
    for (const [model, count] of cluster) {
      if (free.get(model)! < job.spec.devices || job.speedOn(model) === 0) continue;
      const had = (job.secondsOn.get(model) ?? 0) / count;
      if (had >= least) continue;
      least = had;
      chosen = model;
    }
    if (chosen === null) continue;
    free.set(chosen, free.get(chosen)! - job.spec.devices);
    result.set(job, chosen);
  }
  return result;
};

/** Max-min fairness of effective throughput (Gavel, OSDI'20, §4.1), approached round by round. */
const throughputAware: RoundPolicy = (jobs, cluster, now) =>
  assignModels(
    inOrderOf(jobs, (job) => job.effectiveSeconds / Math.max(1, now - job.spec.arrivalSeconds)),
    cluster,
    SPEEDS,
  );

/** The job with most left goes first, so that none is left over at the end (Gavel §4.2, makespan). */
const makespan: RoundPolicy = (jobs, cluster) =>
  assignModels(
    inOrderOf(jobs, (job) => -job.meanSecondsLeft()),
    cluster,
    SPEEDS,
  );

export const MIXED_POLICIES: Readonly<Record<string, RoundPolicy>> = {
  'max-min-blind': blind,
  'throughput-aware': throughputAware,
  'throughput-aware-makespan': makespan,
};
