/**
 * Which single waiting workload makes planning throw? Halving: the half that still throws holds it.
 * null when none can be blamed alone, or when the running ones are enough to make it throw.
 */
import { planCycle } from './plan-cycle.ts';
import type { Snapshot, Workload } from './snapshot.ts';

export function findOffender(
  snapshot: Snapshot,
  plan: (snapshot: Snapshot) => unknown = planCycle,
): string | null {
  const running = snapshot.workloads.filter(({ state }) => state === 'running');
  const throwsWith = (pending: readonly Workload[]): boolean => {
    try {
      plan({ ...snapshot, workloads: [...running, ...pending] });
      return false;
    } catch {
      return true;
    }
  };
  let suspects = snapshot.workloads.filter(({ state }) => state === 'pending');
  if (throwsWith([]) || !throwsWith(suspects)) return null;
  while (suspects.length > 1) {
    const half = suspects.slice(0, suspects.length >> 1);
    const rest = suspects.slice(suspects.length >> 1);
    if (throwsWith(half)) suspects = half;
    else if (throwsWith(rest)) suspects = rest;
    else return null;
  }
  return suspects[0]?.id ?? null;
}
