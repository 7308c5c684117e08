/** Rounds of six minutes on a cluster of several device models (Gavel, OSDI'20, §5): the same load for every policy. */
import { type ReplayResult, summariseEnded } from '../replay-result.ts';
import { MixedJob } from './mixed-job.ts';
import { MIXED_POLICIES, type MixedCluster } from './mixed-policies.ts';
import type { MixedSpec } from './mixed-trace.ts';

const ROUND_SECONDS = 360;

/** All devices of a job are of one model; changing the model between rounds is free for every policy. */
export function runMixed(
  specs: readonly MixedSpec[],
  cluster: MixedCluster,
  policyName: string,
): ReplayResult {
  const policy = MIXED_POLICIES[policyName];
  if (policy === undefined)
    throw new RangeError(
      `There is no policy "${policyName}" for mixed devices; use one of ${Object.keys(MIXED_POLICIES).join(', ')}.`,
    );
  const models = [...cluster.keys()];
  const all = specs.map((spec) => new MixedJob(spec, models));
  const jobs = all.filter(({ spec }) =>
    models.some((model) => spec.rates.has(model) && cluster.get(model)! >= spec.devices),
  );
  let active: MixedJob[] = [];
  let next = 0;
  let running = new Set<MixedJob>();
  for (let now = 0; active.length > 0 || next < jobs.length; now += ROUND_SECONDS) {
    if (active.length === 0) {
      const arrival = jobs[next]!.spec.arrivalSeconds;
      now = Math.max(now, Math.ceil(arrival / ROUND_SECONDS) * ROUND_SECONDS);
    }
    while (next < jobs.length && jobs[next]!.spec.arrivalSeconds <= now) active.push(jobs[next++]!);
    const chosen = policy(active, cluster, now);
    check(chosen, cluster);
    for (const job of running) if (!chosen.has(job)) job.pauses++;
    for (const [job, model] of chosen) job.run(model, now, ROUND_SECONDS);
    active = active.filter(({ completedAt }) => completedAt === null);
    running = new Set([...chosen.keys()].filter(({ completedAt }) => completedAt === null));
  }
  return summarise(policyName, jobs, all.length - jobs.length, models);
}

/** A policy that promises a device twice is a bug, not a result. */
function check(chosen: ReadonlyMap<MixedJob, string>, cluster: MixedCluster): void {
  const used = new Map<string, number>();
  for (const [job, model] of chosen) used.set(model, (used.get(model) ?? 0) + job.spec.devices);
  for (const [model, count] of used)
    if (count > cluster.get(model)!) throw new RangeError(`model ${model} was overcommitted`);
}

function summarise(
  policy: string,
  jobs: readonly MixedJob[],
  unfinished: number,
  models: readonly string[],
): ReplayResult {
  return summariseEnded(
    jobs.map(({ spec, completedAt }) => ({
      arrivalSeconds: spec.arrivalSeconds,
      finishedSeconds: completedAt!,
      aloneSeconds: spec.steps / Math.max(...models.map((model) => spec.rates.get(model) ?? 0)),
    })),
    {
      policy,
      firstArrivalSeconds: jobs[0]?.spec.arrivalSeconds ?? 0,
      preemptions: jobs.reduce((sum, { pauses }) => sum + pauses, 0),
      unfinished,
    },
  );
}
