/**
 * The experiment of Pollux (OSDI'21, §5.3): jobs arrive on a cluster of equal nodes; every minute a
 * policy says who gets which devices, and a changed placement costs a restart.
 */
import { AdaptiveJob, type AdaptiveSpec } from './adaptive-job.ts';
import type { AdaptiveCluster, AdaptivePolicy, Allocations } from './adaptive-policy.ts';
import { createGoodput } from './goodput.ts';
import { createOptimus } from './optimus.ts';
import { createTiresias } from './tiresias.ts';
import { type ReplayResult, summariseEnded } from '../replay-result.ts';

const ROUND_SECONDS = 60;
/** Nobody waits for a policy that never ends. */
const LONGEST_SECONDS = 400 * 3600;

export const ADAPTIVE_POLICIES: Readonly<Record<string, (cluster: AdaptiveCluster) => AdaptivePolicy>> = {
  tiresias: createTiresias,
  optimus: createOptimus,
  goodput: createGoodput,
};

export interface AdaptiveRun {
  result: ReplayResult;
  /** Completion time of each job, by name. */
  jctSeconds: Record<string, number>;
}

export function runAdaptive(
  specs: readonly AdaptiveSpec[],
  cluster: AdaptiveCluster,
  policyName: string,
): AdaptiveRun {
  const create = ADAPTIVE_POLICIES[policyName];
  if (create === undefined)
    throw new RangeError(
      `There is no adaptive policy "${policyName}"; use one of ${Object.keys(ADAPTIVE_POLICIES).join(', ')}.`,
    );
  const policy = create(cluster);
  const jobs = specs.map((spec) => new AdaptiveJob(spec));
  const choose = (job: AdaptiveJob): AdaptiveJob['choice'] => policy.chooseBatch(job);
  let allocations: Allocations = new Map();
  let active: AdaptiveJob[] = [];
  let arrived = 0;
  for (
    let now = 0;
    now < LONGEST_SECONDS && (active.length > 0 || arrived < jobs.length);
    now += ROUND_SECONDS
  ) {
    while (arrived < jobs.length && jobs[arrived]!.spec.submittedAt <= now) active.push(jobs[arrived++]!);
    const next = policy.allocate(active, allocations, now);
    check(next, cluster);
    for (const job of active) {
      const counts = next.get(job);
      if (!isSame(counts, allocations.get(job)))
        job.reallocate(
          (counts ?? []).filter((count) => count > 0),
          choose,
        );
    }
    allocations = next;
    for (const job of active) job.step(now, ROUND_SECONDS, choose);
    active = active.filter((job) => job.completedAt === null);
    for (const job of allocations.keys()) if (job.completedAt !== null) allocations.delete(job);
  }
  return { result: summarise(policyName, jobs, cluster), jctSeconds: jctOf(jobs) };
}

function isSame(a: readonly number[] | undefined, b: readonly number[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.every((count, node) => count === b[node]);
}

/** A policy that promises a device twice is a bug, not a result. */
function check(allocations: Allocations, cluster: AdaptiveCluster): void {
  const used = Array.from({ length: cluster.nodes }, () => 0);
  for (const counts of allocations.values())
    for (const [node, count] of counts.entries()) used[node]! += count;
  if (used.some((count) => count > cluster.devicesPerNode)) throw new RangeError('a node was overcommitted');
}

function jctOf(jobs: readonly AdaptiveJob[]): Record<string, number> {
  return Object.fromEntries(
    jobs
      .filter(({ completedAt }) => completedAt !== null)
      .map(({ spec, completedAt }) => [spec.name, completedAt! - spec.submittedAt]),
  );
}

function summarise(policy: string, jobs: readonly AdaptiveJob[], cluster: AdaptiveCluster): ReplayResult {
  const done = jobs.filter(({ completedAt }) => completedAt !== null);
  return summariseEnded(
    done.map(({ spec, completedAt }) => ({
      arrivalSeconds: spec.submittedAt,
      finishedSeconds: completedAt!,
      aloneSeconds: secondsAlone(spec, cluster),
    })),
    {
      policy,
      firstArrivalSeconds: jobs[0]?.spec.submittedAt ?? 0,
      preemptions: jobs.reduce((sum, { restarts }) => sum + Math.max(0, restarts), 0),
      unfinished: jobs.length - done.length,
    },
  );
}

/** What a job would take as its user asked for it: what it took beyond that it waited. */
function secondsAlone(spec: AdaptiveSpec, cluster: AdaptiveCluster): number {
  const job = new AdaptiveJob(spec);
  const tiresias = createTiresias(cluster);
  const choose = (each: AdaptiveJob): AdaptiveJob['choice'] => tiresias.chooseBatch(each);
  job.reallocate(
    [...tiresias.allocate([job], new Map(), 0).get(job)!].filter((count) => count > 0),
    choose,
  );
  job.restartLeft = 0;
  job.step(0, LONGEST_SECONDS, choose);
  return job.completedAt ?? 0;
}
