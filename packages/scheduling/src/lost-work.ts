/** What an eviction throws away: device-seconds since the last checkpoint, plus the restart. */
import { heldAmounts } from './gang-amounts.ts';
import type { Workload } from './snapshot.ts';

const DEFAULT_RESTART_COST_MS = 30_000;

/** Done since the last checkpoint and to be done again, and what starting again takes. */
export function lostMs(workload: Workload, nowMs: number): { unsavedMs: number; restartMs: number } {
  const startedAtMs = workload.startedAtMs ?? nowMs;
  const savedAtMs = Math.max(startedAtMs, workload.lastCheckpointAtMs ?? startedAtMs);
  return {
    unsavedMs: Math.max(0, nowMs - savedAtMs),
    restartMs: workload.restartCostMs ?? DEFAULT_RESTART_COST_MS,
  };
}

export function lostDeviceSeconds(workload: Workload, nowMs: number): number {
  const amounts = heldAmounts(workload);
  // A workload without devices is weighed by its CPUs, at a tenth of a device each.
  const devices = Math.max(amounts[0]!, amounts[1]! / 10_000, 0.001);
  const { unsavedMs, restartMs } = lostMs(workload, nowMs);
  return (devices * (unsavedMs + restartMs)) / 1000;
}

/** Lost work made dearer for those evicted before, so that the same one is not hit again and again. */
export function victimCost(workload: Workload, nowMs: number): number {
  return lostDeviceSeconds(workload, nowMs) * (1 + (workload.preemptions ?? 0));
}
