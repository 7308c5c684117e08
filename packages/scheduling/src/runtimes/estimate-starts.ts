/**
 * When each waiting workload should start if nobody else comes: the queue is played forward with the
 * expected runtimes, in the order of the plan, with EASY backfill. Capacity is counted, not placed,
 * so the guess is rough; `StartEstimates` says how rough it has been.
 */
import { EventQueue } from '../event-queue.ts';
import { gangAmounts, heldAmounts } from '../gang-amounts.ts';
import { expectedEndMs, expectedRuntimeMs } from '../reservation.ts';
import type { Snapshot, Workload } from '../snapshot.ts';

/** So many behind the first blocked one are looked at after each end. */
const BACKFILL_DEPTH = 64;
const RESOURCES = 4;

/** `order` lists the waiting ones as the plan does; those that hold themselves up are to be left out. */
export function estimateStarts(snapshot: Snapshot, order: readonly string[]): Map<string, number> {
  const { nowMs } = snapshot;
  const free = new Float64Array(RESOURCES);
  for (const node of snapshot.nodes) {
    if (node.cordoned || !node.healthy) continue;
    free[0]! += node.devices.filter(({ healthy }) => healthy).length;
    free[1]! += node.capacity.cpuMilli;
    free[2]! += node.capacity.memoryBytes;
    free[3]! += node.capacity.storageBytes;
  }
  const total = Float64Array.from(free);
  const add = (amounts: Float64Array, sign: 1 | -1): void => {
    for (let at = 0; at < RESOURCES; at++) free[at]! += sign * amounts[at]!;
  };
  const ends = new EventQueue<Float64Array>();
  const byId = new Map<string, Workload>();
  for (const workload of snapshot.workloads) {
    byId.set(workload.id, workload);
    if (workload.state !== 'running') continue;
    const amounts = heldAmounts(workload);
    add(amounts, -1);
    ends.push(workload.leaving === true ? nowMs : expectedEndMs(workload, nowMs), amounts);
  }
  const fits = (amounts: Float64Array, room: Float64Array): boolean => {
    for (let at = 0; at < RESOURCES; at++) if (amounts[at]! > room[at]! + 1e-6) return false;
    return true;
  };
  interface Waiting {
    id: string;
    amounts: Float64Array;
    runtimeMs: number;
  }
  const waiting: Waiting[] = order.flatMap((id) => {
    const workload = byId.get(id);
    if (workload === undefined) return [];
    const amounts = gangAmounts(workload);
    // What exceeds the whole cluster never starts, and holds nobody up.
    return fits(amounts, total) ? [{ id, amounts, runtimeMs: expectedRuntimeMs(workload) }] : [];
  });
  const starts = new Map<string, number>();
  for (let now = nowMs; waiting.length > 0;) {
    let shadowMs: number | null = null;
    for (let at = 0; at < Math.min(waiting.length, BACKFILL_DEPTH); at++) {
      const next = waiting[at]!;
      const mayStart = fits(next.amounts, free) && (shadowMs === null || now + next.runtimeMs <= shadowMs);
      if (mayStart) {
        starts.set(next.id, now);
        add(next.amounts, -1);
        ends.push(now + next.runtimeMs, next.amounts);
        waiting.splice(at--, 1);
      } else shadowMs ??= shadowOf(next.amounts, free, ends, fits);
    }
    if (ends.size === 0) break;
    now = Math.max(now, ends.nextTime());
    while (ends.size > 0 && ends.nextTime() <= now) add(ends.pop(), 1);
  }
  return starts;
}

/** When the first blocked one finds room. */
function shadowOf(
  amounts: Float64Array,
  free: Float64Array,
  ends: EventQueue<Float64Array>,
  fits: (amounts: Float64Array, room: Float64Array) => boolean,
): number {
  const room = Float64Array.from(free);
  for (const { at, event } of ends.inOrder()) {
    for (let resource = 0; resource < RESOURCES; resource++) room[resource]! += event[resource]!;
    if (fits(amounts, room)) return at;
  }
  return Infinity;
}
