/**
 * The recent past in the planner's own form: the cluster as a policy would have it, and each job as
 * submitted with the time it took. Live through it again: `replayLive` of the simulator.
 */
import type { JobSpec } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { Snapshot } from '@gantry/scheduling';
import type { LiveWorld, PastJob } from '@gantry/scheduling/simulate';
import type { JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import { rankCount } from '../jobs/rank-groups.ts';
import { allRows } from '../rows.ts';
import {
  type QueueSelectors,
  buildWorld,
  jobRequest,
  queueSelectors,
  toReplicaWorkload,
} from './build-snapshot.ts';
import { type PolicySpecRecord, toRules } from './policy-record.ts';
import { planSettings } from './policy-row.ts';
import { newestJobs } from './newest-jobs.ts';
import { askOf } from './runtime-history.ts';

/** Newest first; what is older is left out. */
const MOST_JOBS = 20_000;

export interface PastWork {
  readonly world: LiveWorld;
  readonly jobs: readonly PastJob[];
  /** By id; with the tenant where two have the same. */
  readonly queueNames: Readonly<Record<string, string>>;
}

/** `live`: what the planner expects of those that have not ended. */
export async function readPastWork(
  tx: Tx,
  { policy, sinceMs, live }: { policy: PolicySpecRecord; sinceMs: number; live: Snapshot },
): Promise<PastWork> {
  const nodes = await allRows(tx, 'node');
  const queues = await allRows(tx, 'queue');
  const endpoints = new Map((await allRows(tx, 'endpoint')).map((row) => [row.id, row]));
  const replicas = await allRows(tx, 'replica');
  const rows = await newestJobs(tx, { most: MOST_JOBS, sinceMs });
  const selectors = queueSelectors(queues, policy);
  const expected = new Map(live.workloads.map((workload) => [workload.id, workload]));
  return {
    queueNames: await namesOf(tx, queues),
    world: {
      ...buildWorld({ nodes, queues }, policy),
      policy: {
        settings: planSettings(policy),
        rules: toRules(policy),
        ...(policy.ahead === undefined
          ? {}
          : { ahead: { horizonMs: policy.ahead.horizonMs, mostPart: policy.ahead.most } }),
        ...(policy.fairShare === undefined ? {} : { recentUse: policy.fairShare }),
        ...(policy.defragmentation === undefined
          ? {}
          : { movesPerHour: policy.defragmentation.movesPerHour }),
      },
      standing: replicas.flatMap((row) => {
        const endpoint = endpoints.get(row.parentId ?? '');
        const replica = endpoint && toReplicaWorkload(row, endpoint, selectors);
        return replica?.allocation === undefined ? [] : [replica];
      }),
    },
    jobs: rows.reverse().flatMap((row) => {
      const past = toPastJob(row, selectors, live.nowMs, expected.get(row.id));
      return past === null ? [] : [past];
    }),
  };
}

async function namesOf(tx: Tx, queues: readonly Row[]): Promise<Record<string, string>> {
  const tenants = new Map((await allRows(tx, 'tenant')).map(({ id, name }) => [id, name]));
  const counts = new Map<string, number>();
  for (const { name } of queues) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries(
    queues.map(({ id, name, tenantId }) => [
      id,
      counts.get(name) === 1 ? name : `${tenants.get(tenantId) ?? tenantId}/${name}`,
    ]),
  );
}

/** null of one that ended before it ever ran. */
function toPastJob(
  row: Row,
  selectors: QueueSelectors,
  nowMs: number,
  expected: Snapshot['workloads'][number] | undefined,
): PastJob | null {
  const { job, queueId, user } = row.spec as JobSpecRecord;
  const workload = jobRequest(
    { id: row.id, tenantId: row.tenantId, queueId, createdAtMs: Date.parse(row.createdAt), spec: job },
    selectors,
  );
  const workMs = workDoneMs(row.status as JobStatusRecord, rankCount(job), nowMs);
  const leftMs = expected === undefined ? 0 : stillMs(expected, nowMs);
  if (workMs + leftMs === 0) return null;
  return {
    workload: { ...workload, labels: { user, name: row.name } },
    workMs: workMs + leftMs,
    keepsWork: savesItsWork(job),
    ask: askOf(row),
  };
}

/** All attempts together, as if all of its ranks had been there. */
function workDoneMs({ attempts }: JobStatusRecord, ranks: number, nowMs: number): number {
  return attempts.reduce((sum, { startedAt, endedAt, placement }) => {
    if (startedAt === undefined) return sum;
    const ranMs = (endedAt === undefined ? nowMs : Date.parse(endedAt)) - Date.parse(startedAt);
    return sum + (Math.max(0, ranMs) * placement.length) / ranks;
  }, 0);
}

/** By its own estimate or that of its like, else its limit. */
function stillMs(
  { startedAtMs, runtimeEstimateMs, timeLimitMs = 0 }: Snapshot['workloads'][number],
  nowMs: number,
): number {
  const wholeMs = runtimeEstimateMs ?? timeLimitMs;
  return startedAtMs === undefined ? wholeMs : Math.max(0, startedAtMs + wholeMs - nowMs);
}

/** Our trainer saves when it is told to stop; a command says with `checkpoint` that it does. */
function savesItsWork({ train, checkpoint }: JobSpec): boolean {
  return train !== undefined || checkpoint.every !== undefined || checkpoint.everySteps !== undefined;
}
