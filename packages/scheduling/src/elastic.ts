/**
 * Elastic gangs: a group whose minimum is below its count. The minimum is the gang; members beyond it
 * are extras, which come last (growth.ts) and go first (victims.ts), whether the gang is preemptible
 * or not. Every change of size is a restart from the last checkpoint.
 */
import { gangAmounts } from './gang-amounts.ts';
import type { AllocationMember, Workload } from './snapshot.ts';
import type { Placed, PlacedMember } from './statement.ts';

/** So long a gang keeps its size once it has started; only higher priorities and owners of the share do not wait. */
export const SETTLE_MS = 10 * 60_000;

export function isElastic({ taskGroups }: Workload): boolean {
  return taskGroups.some(({ minCount, count }) => minCount < count);
}

export function settledAtMs({ startedAtMs }: Workload, nowMs: number): number {
  return (startedAtMs ?? nowMs) + SETTLE_MS;
}

export function sizeOf({ members }: Placed, group: string): number {
  return members.reduce((count, member) => count + (member.group === group ? 1 : 0), 0);
}

/** May one more member of this group go? */
export function hasExtras(workload: Workload, placed: Placed, group: string): boolean {
  const asked = workload.taskGroups.find(({ name }) => name === group);
  return asked !== undefined && sizeOf(placed, group) > asked.minCount;
}

/** The same workload holding these members, and what they take together. */
export function withMembers(workload: Workload, placed: Placed, members: PlacedMember[]): Placed {
  const amounts = gangAmounts(
    workload,
    ({ name }) => members.filter((member) => member.group === name).length,
  );
  return { ...placed, members, amounts };
}

/** Ranks are counted from nought again, group by group; who stays keeps the order. */
export function renumbered(members: readonly PlacedMember[]): PlacedMember[] {
  const next = new Map<string, number>();
  return [...members]
    .sort((a, b) => a.index - b.index)
    .map((member) => {
      const index = next.get(member.group) ?? 0;
      next.set(member.group, index + 1);
      return { ...member, index };
    });
}

/** Members of `after` that are not among `before`, wherever they are counted in. */
export function joining(
  before: readonly AllocationMember[],
  after: readonly AllocationMember[],
): AllocationMember[] {
  const left = new Map<string, number>();
  for (const member of before) left.set(placeKey(member), (left.get(placeKey(member)) ?? 0) + 1);
  return after.filter((member) => {
    const key = placeKey(member);
    const count = left.get(key) ?? 0;
    left.set(key, count - 1);
    return count <= 0;
  });
}

function placeKey({ group, nodeId, deviceIds }: AllocationMember): string {
  return `${group} ${nodeId} ${[...deviceIds].sort().join(' ')}`;
}
