/** What a job's attempts say to the planner: where it is, where it goes, what it used and what it lost. Pure. */
import type { JobSpec } from '@gantry/contract';
import type { AllocationMember, Workload } from '@gantry/scheduling';
import type { AttemptRecord, JobStatusRecord } from '../jobs/job-record.ts';
import { groupOfRank, heldBy, rankGroups } from '../jobs/rank-groups.ts';

/** What earlier attempts ran and used, and how often one of them was evicted. */
export function earlierService(
  { attempts }: JobStatusRecord,
  job: JobSpec,
): Pick<Workload, 'ranForMs' | 'attainedDeviceSeconds' | 'preemptions'> {
  let ranForMs = 0;
  let attainedDeviceSeconds = 0;
  let preemptions = 0;
  for (const { startedAt, endedAt, placement, stopReason } of attempts) {
    if (endedAt === undefined) continue;
    if (stopReason === 'preempted') preemptions += 1;
    if (startedAt === undefined) continue;
    const ranMs = Math.max(0, Date.parse(endedAt) - Date.parse(startedAt));
    ranForMs += ranMs;
    attainedDeviceSeconds += (ranMs / 1000) * (heldBy(job, placement).gpus || placement.length);
  }
  return {
    ...(ranForMs > 0 ? { ranForMs, attainedDeviceSeconds } : {}),
    ...(preemptions > 0 ? { preemptions } : {}),
  };
}

/** Whoever leaves still holds its place, but is not asked a second time; who changes its size holds the new one too. */
export function onItsWayOut(
  { suspended }: JobStatusRecord,
  { stopReason, resizeTo }: AttemptRecord,
  job: JobSpec,
): Pick<Workload, 'leaving' | 'resizingTo'> {
  if (stopReason !== 'resized' || resizeTo === undefined || suspended !== undefined) return { leaving: true };
  return { resizingTo: toMembers(job, resizeTo) };
}

export function toMembers(job: JobSpec, placement: AttemptRecord['placement']): AllocationMember[] {
  const groups = rankGroups(job);
  return placement.map(({ rank, node, devices }) => {
    const { name, firstRank } = groupOfRank(groups, rank);
    return { group: name, index: rank - firstRank, nodeId: node, deviceIds: [...devices] };
  });
}

/** The other way: ranks are counted through the groups. */
export function toPlacement(job: JobSpec, members: readonly AllocationMember[]): AttemptRecord['placement'] {
  const firstRanks = new Map(rankGroups(job).map(({ name, firstRank }) => [name, firstRank]));
  return members
    .map(({ group, index, nodeId, deviceIds }) => ({
      rank: (firstRanks.get(group) ?? 0) + index,
      node: nodeId,
      devices: deviceIds,
    }))
    .toSorted((one, other) => one.rank - other.rank);
}

/** So long the machines of a gang that lost one are kept for it. */
const WOUNDED_MS = 10 * 60_000;

/** A gang whose last attempt ended with its machine, or had to leave one, goes on beside what is left of it. */
export function woundsOf({ attempts }: JobStatusRecord): Pick<Workload, 'kept'> {
  const last = attempts.at(-1);
  if (last?.endedAt === undefined) return {};
  if (last.exitClass !== 'infrastructure' && last.stopReason !== 'node_drained') return {};
  const nodeIds = [...new Set(last.placement.map(({ node }) => node))];
  if (nodeIds.length < 2) return {};
  return { kept: { why: 'wounded', nodeIds, untilMs: Date.parse(last.endedAt) + WOUNDED_MS } };
}
