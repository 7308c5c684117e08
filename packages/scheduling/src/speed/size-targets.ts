/**
 * How large the elastic gangs of a queue should be, where its policy says what a size is worth: chosen
 * anew over all of them, with what they hold and what is free. Who has not settled keeps its size.
 */
import { SETTLE_MS } from '../elastic.ts';
import type { Planning } from '../planning.ts';
import { policyOf, type QueuePolicy } from '../policies.ts';
import { RESOURCES } from '../queue-tree.ts';
import type { TaskGroup, Workload } from '../snapshot.ts';
import { chooseSizes } from './choose-sizes.ts';
import { largestUseful } from './speed-policies.ts';

/** Every size up to this one is looked at, then whole nodes of eight only. */
const EVERY_SIZE = 16;

interface Sized {
  workload: Workload;
  group: TaskGroup;
  /** Members it has now, or starts with. */
  size: number;
}

/** Members of its elastic group by workload; who is not named grows like any other. */
export function sizeTargets(
  planning: Planning,
  growing: readonly Workload[],
  isForbidden: (node: number) => boolean,
): Map<string, number> {
  const { nowMs, state, statement, tree } = planning;
  const byQueue = new Map<number, { worth: NonNullable<QueuePolicy['worth']>; sized: Sized[] }>();
  for (const workload of growing) {
    const queue = tree.indexOf.get(workload.queueId)!;
    const { worth } = policyOf(tree.queues[queue]!.policy);
    const elastic = workload.taskGroups.filter(({ minCount, count }) => minCount < count);
    const placed = statement.running.get(workload.id);
    if (worth === undefined || elastic.length !== 1 || elastic[0]!.request.devices === 0) continue;
    if (placed === undefined || workload.taskGroups.length > 1) continue;
    const list = byQueue.get(queue) ?? { worth, sized: [] };
    list.sized.push({ workload, group: elastic[0]!, size: placed.members.length });
    byQueue.set(queue, list);
  }
  const targets = new Map<string, number>();
  let free = 0;
  if (byQueue.size > 0)
    for (const [node, whole] of state.wholeFree.entries())
      if (state.schedulable[node] === 1 && !isForbidden(node)) free += whole;
  for (const [queue, { worth, sized }] of byQueue) {
    const held = sized.reduce((sum, { size, group }) => sum + size * group.request.devices, 0);
    const chosen = chooseSizes(sized, held + Math.min(free, headroom(planning, queue)), {
      sizes: (each) => usefulSizes(each, nowMs),
      worth: ({ workload }, members) => worth(workload, members, nowMs),
      devices: ({ group }) => group.request.devices,
    });
    for (const [{ workload, group, size }, target] of chosen) {
      targets.set(workload.id, target);
      free -= Math.max(0, target - size) * group.request.devices;
    }
    free = Math.max(0, free);
  }
  return targets;
}

function usefulSizes({ workload, group, size }: Sized, nowMs: number): number[] {
  const { minCount, count } = group;
  const isSettled = workload.state !== 'running' || nowMs - (workload.startedAtMs ?? nowMs) >= SETTLE_MS;
  if (!isSettled) return [size];
  const most = Math.max(size, Math.min(count, largestUseful(workload)));
  const sizes: number[] = [];
  for (let members = Math.max(1, minCount); members <= most; members++)
    if (members <= EVERY_SIZE || members % 8 === 0 || members === most || members === size)
      sizes.push(members);
  return sizes;
}

/** Devices that the queue and all above it may still take. */
function headroom({ tree }: Planning, queue: number): number {
  return tree.path[queue]!.reduce(
    (least, ancestor) =>
      Math.min(least, tree.limit[ancestor * RESOURCES]! - tree.usage[ancestor * RESOURCES]!),
    Infinity,
  );
}
