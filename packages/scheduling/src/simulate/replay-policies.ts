/**
 * Ordering policies for replays, each a comparator with a few marks. `las` is multilevel feedback
 * on attained service (Tiresias, NSDI'19, discretised), `default` is ours: `las`, plus the rule
 * that who has waited `waitBoundSeconds` in all goes first from then on; it may still be moved.
 */
import type { LiveJob } from './live-job.ts';

export interface ReplayPolicy {
  compare: (a: LiveJob, b: LiveJob) => number;
  preemptive: boolean;
  /** Non-preemptive only: stop at the first that does not fit, pass it, or pass it under a reservation. */
  backfill: 'none' | 'skip' | 'hidden' | 'oracle';
  /** The attained service (device-seconds) at which the order of a running job changes. */
  nextThreshold?: (live: LiveJob) => number | undefined;
  waitBoundSeconds?: number;
}

const HOUR = 3600;
/** Device-hours at which a job drops to the next level. */
const LEVELS = [0.5, 2, 8, 32, 128].map((hours) => hours * HOUR);
const WAIT_BOUND_SECONDS = 44 * HOUR;

const byArrival = (a: LiveJob, b: LiveJob): number => a.index - b.index;
const levelOf = (live: LiveJob): number =>
  LEVELS.findIndex((threshold) => live.attained < threshold) + 1 || LEVELS.length + 1;
const overdue = (live: LiveJob): boolean => live.waitedSeconds >= WAIT_BOUND_SECONDS - 1e-6;
const nextThreshold = (live: LiveJob): number | undefined =>
  LEVELS.find((threshold) => live.attained < threshold);

export const REPLAY_POLICIES: Readonly<Record<string, ReplayPolicy>> = {
  fifo: { compare: byArrival, preemptive: false, backfill: 'none' },
  'fifo-backfill': { compare: byArrival, preemptive: false, backfill: 'hidden' },
  'fifo-backfill-oracle': { compare: byArrival, preemptive: false, backfill: 'oracle' },
  'sjf-oracle': {
    compare: (a, b) => a.job.durationSeconds - b.job.durationSeconds || byArrival(a, b),
    preemptive: false,
    backfill: 'skip',
  },
  'srtf-oracle': {
    compare: (a, b) => a.remainingSeconds - b.remainingSeconds || byArrival(a, b),
    preemptive: true,
    backfill: 'skip',
  },
  las: {
    compare: (a, b) => levelOf(a) - levelOf(b) || byArrival(a, b),
    preemptive: true,
    backfill: 'skip',
    nextThreshold,
  },
  default: {
    compare: (a, b) => Number(overdue(b)) - Number(overdue(a)) || levelOf(a) - levelOf(b) || byArrival(a, b),
    preemptive: true,
    backfill: 'skip',
    nextThreshold,
    waitBoundSeconds: WAIT_BOUND_SECONDS,
  },
};
