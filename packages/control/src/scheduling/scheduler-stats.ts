/** What the metrics page says of the scheduler. Labels stay bounded: queue names beyond a count are summed up. */
import type { Plan } from '@gantry/scheduling';

export interface SchedulerStats {
  cycles: number;
  lastMs: number;
  failures: number;
  placements: number;
  evictions: number;
  waitingByReason: Record<string, number>;
  waitingByQueue: Record<string, number>;
  /** By the order of their queue. */
  waitingByPolicy: Record<string, number>;
  evictionsByReason: Record<string, number>;
}

const MOST_QUEUES = 100;

export function emptyStats(): SchedulerStats {
  return {
    cycles: 0,
    lastMs: 0,
    failures: 0,
    placements: 0,
    evictions: 0,
    waitingByReason: {},
    waitingByQueue: {},
    waitingByPolicy: {},
    evictionsByReason: {},
  };
}

export function noteWaitingCounts(
  stats: SchedulerStats,
  plan: Plan,
  queueOf: (workloadId: string) => string,
  orderOf: (workloadId: string) => string,
): void {
  const reasons: Record<string, number> = {};
  const queues: Record<string, number> = {};
  const policies: Record<string, number> = {};
  for (const waiting of plan.waiting) {
    for (const { code } of waiting.reasons) reasons[code] = (reasons[code] ?? 0) + 1;
    const queue = queueOf(waiting.workloadId);
    const label = queue in queues || Object.keys(queues).length < MOST_QUEUES ? queue : 'others';
    queues[label] = (queues[label] ?? 0) + 1;
    const order = orderOf(waiting.workloadId);
    policies[order] = (policies[order] ?? 0) + 1;
  }
  stats.waitingByReason = reasons;
  stats.waitingByQueue = queues;
  stats.waitingByPolicy = policies;
  for (const { reason } of plan.evictions)
    stats.evictionsByReason[reason.code] = (stats.evictionsByReason[reason.code] ?? 0) + 1;
}
