/**
 * Who could make room: whole workloads, and single members beyond the minimum of elastic gangs.
 * Whole: lower priority in the same queue whom its policy would also start later, or whom the policy
 * ranks behind (las, srtf). Extras: also of equal priority, once their gang has settled. Of other queues
 * both: where these are above their fair share, for a queue that stays within its own.
 */
import { hasExtras, isElastic, settledAtMs, withMembers } from './elastic.ts';
import { gangAmounts } from './gang-amounts.ts';
import { victimCost } from './lost-work.ts';
import type { Planning } from './planning.ts';
import { policyOf } from './policies.ts';
import type { Workload } from './snapshot.ts';
import type { Placed, PlacedMember } from './statement.ts';

export interface Candidate {
  workload: Workload;
  placed: Placed;
  /** Device-seconds that are done again. */
  cost: number;
  kind: 'preempted' | 'reclaimed';
  /** Only this member goes; null = the whole workload. */
  extra: PlacedMember | null;
}

export function candidatesFor(planning: Planning, workload: Workload): Candidate[] {
  const { nowMs, statement, tree } = planning;
  const queue = tree.indexOf.get(workload.queueId)!;
  const mayReclaim = tree.staysFair(queue, gangAmounts(workload));
  const policy = policyOf(tree.queues[queue]!.policy);
  const ranks = policy.order(nowMs);
  const candidates: Candidate[] = [];
  for (const other of planning.yielding.values()) {
    const placed = statement.running.get(other.id);
    if (placed === undefined || planning.isMoving(other)) continue;
    const elastic = isElastic(other);
    if (!other.preemptible && !elastic) continue;
    const minRuntimeMs = Math.max(
      ...tree.path[placed.queue]!.map((ancestor) => tree.queues[ancestor]!.minRuntimeMs ?? 0),
    );
    if (minRuntimeMs > 0 && nowMs - (other.startedAtMs ?? nowMs) < minRuntimeMs) continue;
    const isOwn = placed.queue === queue;
    const kind = isOwn ? 'preempted' : 'reclaimed';
    if (!isOwn && !(mayReclaim && isOverFairShare(planning, placed))) continue;
    const cost = victimCost(other, nowMs);
    const isBelow = other.priority < workload.priority;
    const yieldsExtras =
      !isOwn || isBelow || (other.priority === workload.priority && nowMs >= settledAtMs(other, nowMs));
    if (elastic && yieldsExtras) candidates.push(...extrasOf(other, placed, cost, kind));
    const isDisplaced =
      !isOwn ||
      (isBelow && ranks(workload, other) < 0) ||
      (other.priority === workload.priority && policy.displaces?.(workload, other, nowMs) === true);
    if (other.preemptible && isDisplaced)
      candidates.push({ workload: other, placed, cost, kind, extra: null });
  }
  return candidates;
}

/** The last ranks first. */
function extrasOf(workload: Workload, placed: Placed, cost: number, kind: Candidate['kind']): Candidate[] {
  return workload.taskGroups.flatMap((group) => {
    if (!hasExtras(workload, placed, group.name)) return [];
    return placed.members
      .filter((member) => member.group === group.name)
      .sort((a, b) => b.index - a.index)
      .map((extra): Candidate => ({ workload, placed, cost, kind, extra }));
  });
}

export function isOverFairShare({ tree }: Planning, placed: Placed): boolean {
  return tree.saturation(placed.queue) > 1 + 1e-6;
}

/** Extras before whole workloads, then who loses least; members of one gang stay in their order. */
export function byCost(a: Candidate, b: Candidate): number {
  return (
    (a.extra === null ? 1 : 0) - (b.extra === null ? 1 : 0) ||
    a.workload.priority - b.workload.priority ||
    a.cost - b.cost ||
    (a.workload.id < b.workload.id ? -1 : a.workload.id > b.workload.id ? 1 : 0)
  );
}

/** Makes one candidate go. What went with it; null when there is nothing (left) to take. */
export function remove({ statement }: Planning, { workload, extra }: Candidate): PlacedMember[] | null {
  const placed = statement.running.get(workload.id);
  if (placed === undefined) return null;
  if (extra === null) return statement.evict(workload.id)!.members;
  if (!hasExtras(workload, placed, extra.group) || !placed.members.includes(extra)) return null;
  const left = placed.members.filter((member) => member !== extra);
  statement.replace(withMembers(workload, placed, left));
  return [extra];
}
