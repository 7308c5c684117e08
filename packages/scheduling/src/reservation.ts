/**
 * EASY backfill (Lifka 1995): the first workload that capacity keeps waiting gets a reservation on
 * the nodes where it will start soonest; others may pass it only beside these nodes, or when they
 * are done by then. Runtimes are the estimate, else the time limit, else `DEFAULT_RUNTIME_MS`.
 */
import { EndsInOrder } from './ends-in-order.ts';
import type { Planning } from './planning.ts';
import type { Workload } from './snapshot.ts';

export const DEFAULT_RUNTIME_MS = 24 * 3_600_000;
/** A workload past its estimate is expected to end this much later. */
const OVERRUN_MS = 60_000;

export interface Reservation {
  workloadId: string;
  startMs: number;
  nodes: number[];
}

export function expectedRuntimeMs(workload: Workload): number {
  return workload.runtimeEstimateMs ?? workload.timeLimitMs ?? DEFAULT_RUNTIME_MS;
}

/** For who must be gone by a certain time. */
export function cautiousRuntimeMs(workload: Workload): number {
  return workload.runtimeMostMs ?? expectedRuntimeMs(workload);
}

export function expectedEndMs(workload: Workload, nowMs: number): number {
  return Math.max(nowMs + OVERRUN_MS, (workload.startedAtMs ?? nowMs) + expectedRuntimeMs(workload));
}

function endOf(planning: Planning, running: Workload): number {
  const { nowMs } = planning;
  if (planning.isLeaving(running)) return nowMs;
  // Who starts in this very cycle has not begun to run.
  return running.state === 'running' ? expectedEndMs(running, nowMs) : nowMs + expectedRuntimeMs(running);
}

/** When and where the workload starts if everybody ends as expected; null if not even then. */
export function reserve(planning: Planning, workload: Workload, skip: Uint8Array | null): Reservation | null {
  const ids = [...planning.statement.running.keys()];
  const endMs = Float64Array.from(ids, (id) => endOf(planning, planning.workloads.get(id)!));
  const ending = new EndsInOrder(ids, endMs);
  const nodesAfter = (count: number): number[] | null => {
    const mark = planning.statement.checkpoint();
    for (let index = 0; index < count; index++) planning.statement.evict(ending.at(index).id);
    const outcome = planning.placer.place(workload, { skip });
    planning.statement.rollback(mark);
    return outcome.ok ? [...new Set(outcome.members.map((member) => member.node))] : null;
  };
  let tooFew = 0;
  let enough = 0;
  let nodes: number[] | null = null;
  for (let count = 1; nodes === null && tooFew < ending.size; count *= 2) {
    enough = Math.min(count, ending.size);
    nodes = nodesAfter(enough);
    if (nodes === null) tooFew = enough;
  }
  if (nodes === null) return null;
  while (enough - tooFew > 1) {
    const middle = (enough + tooFew) >> 1;
    const found = nodesAfter(middle);
    if (found === null) tooFew = middle;
    else {
      enough = middle;
      nodes = found;
    }
  }
  return { workloadId: workload.id, startMs: ending.at(enough - 1).endMs, nodes };
}
