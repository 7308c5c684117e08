/**
 * The orders a queue can choose. Each is a comparator made for the moment of the cycle; ties go to
 * the older workload, then to the smaller id, so that an order is always total.
 */
import { heldAmounts } from './gang-amounts.ts';
import { speedPolicies } from './speed/speed-policies.ts';
import { SnapshotError, type Workload } from './snapshot.ts';

export type Comparator = (a: Workload, b: Workload) => number;

const byAge: Comparator = (a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
const byPriority: Comparator = (a, b) => b.priority - a.priority;
/** What a comparator makes smallest goes first; unknown values go last. */
const by = (value: (workload: Workload) => number | undefined): Comparator => {
  return (a, b) => {
    const left = value(a) ?? Infinity;
    const right = value(b) ?? Infinity;
    return left === right ? 0 : left - right;
  };
};
const runtimeMs = (workload: Workload): number | undefined =>
  workload.runtimeEstimateMs ?? workload.timeLimitMs;
const remainingMs = (workload: Workload): number | undefined => {
  const total = runtimeMs(workload);
  return total === undefined ? undefined : Math.max(0, total - (workload.ranForMs ?? 0));
};

const HOUR_MS = 3_600_000;
/** Device-hours at which `las` lowers a workload by one level (Tiresias, NSDI'19 §3.2, discretised). */
const LEVELS = [0.5, 2, 8, 32, 128].map((hours) => hours * 3600);
/** Seconds of difference in length are none. */
const SHORTEST_MS = 60_000;
const UNKNOWN_MS = 24 * HOUR_MS;
/** Who was evicted so often goes first under `default`, as does who has waited too long. */
const MOST_EVICTIONS = 3;
/** Who has waited this long in all goes first under `default`, whatever it has used. */
export const WAIT_BOUND_MS = 40 * HOUR_MS;

export function serviceLevel(attainedDeviceSeconds: number): number {
  const level = LEVELS.findIndex((threshold) => attainedDeviceSeconds < threshold);
  return level === -1 ? LEVELS.length : level;
}

const byLevel = by((workload) => serviceLevel(workload.attainedDeviceSeconds ?? 0));

/** How long it has waited in all, its earlier runs not counted. */
function waitedMs(workload: Workload, nowMs: number): number {
  return nowMs - workload.createdAtMs - (workload.ranForMs ?? 0);
}

function isOverdue(workload: Workload, nowMs: number): boolean {
  return waitedMs(workload, nowMs) >= WAIT_BOUND_MS || (workload.preemptions ?? 0) >= MOST_EVICTIONS;
}

/**
 * How many times its own length it will have been here if it starts now (highest response ratio next,
 * Brinch Hansen 1971): short work goes ahead of long work, and nobody is passed for ever. Lengths are
 * learned; of whom nothing is known is taken for long, so that equal strangers start in their order.
 */
function responseRatio(workload: Workload, nowMs: number): number {
  const expectedMs = Math.max(SHORTEST_MS, workload.runtimeEstimateMs ?? UNKNOWN_MS);
  return 1 + Math.max(0, waitedMs(workload, nowMs)) / expectedMs;
}

const chain =
  (...comparators: readonly Comparator[]): Comparator =>
  (a, b) => {
    for (const compare of comparators) {
      const difference = compare(a, b);
      if (difference !== 0) return difference;
    }
    return byAge(a, b);
  };

export interface QueuePolicy {
  readonly order: (nowMs: number) => Comparator;
  /**
   * May a waiting workload take the place of a running one of its queue and priority? Must be a
   * strict order that running only moves down in, or two workloads could evict each other in turn.
   */
  readonly displaces?: (waiting: Workload, running: Workload, nowMs: number) => boolean;
  /** What a size of an elastic gang is worth, more is better; without it who grows first grows to its count. */
  readonly worth?: (workload: Workload, members: number, nowMs: number) => number;
  /** Waiting work is told on which device model to start (speed/model-wishes.ts). */
  readonly choosesModels?: boolean;
}

/** By what a policy computes for the moment, each value once a cycle and workload. */
function bySpeed({ keys, ...rest }: (typeof speedPolicies)[keyof typeof speedPolicies]): QueuePolicy {
  return {
    ...rest,
    order: (nowMs) => chain(...keys(nowMs).map((key) => by(memo(key)))),
  };
}

function memo(key: (workload: Workload) => number): (workload: Workload) => number {
  const known = new Map<Workload, number>();
  return (workload) => {
    let value = known.get(workload);
    if (value === undefined) known.set(workload, (value = key(workload)));
    return value;
  };
}

const ordered = (...comparators: readonly Comparator[]): QueuePolicy => {
  const compare = chain(...comparators);
  return { order: () => compare };
};

export const QUEUE_POLICIES = {
  /** Priority; within it whoever has waited too long or was evicted too often, then the highest response ratio, then age. */
  default: {
    order: (nowMs) =>
      chain(
        byPriority,
        by((workload) => (isOverdue(workload, nowMs) ? 0 : 1)),
        by((workload) => -responseRatio(workload, nowMs)),
      ),
  },
  priority: ordered(byPriority),
  'fair-share': ordered(byPriority),
  fifo: ordered(),
  'fifo-backfill': ordered(),
  sjf: ordered(by(runtimeMs)),
  srtf: {
    ...ordered(by(remainingMs)),
    displaces: (waiting, running, nowMs) => {
      const left = remainingMs(running);
      const mine = remainingMs(waiting);
      if (left === undefined || mine === undefined) return false;
      // Twice the work left: a near tie is not worth a restart.
      return 2 * mine < left - (nowMs - (running.startedAtMs ?? nowMs));
    },
  },
  las: {
    ...ordered(byPriority, byLevel),
    displaces: (waiting, running, nowMs) =>
      serviceLevel(waiting.attainedDeviceSeconds ?? 0) < serviceLevel(attainedSoFar(running, nowMs)),
  },
  /** Earliest deadline first; those without one after all others. */
  deadline: ordered(
    by(({ deadlineMs }) => deadlineMs),
    byPriority,
  ),
  optimus: bySpeed(speedPolicies.optimus),
  goodput: bySpeed(speedPolicies.goodput),
  'throughput-aware': bySpeed(speedPolicies['throughput-aware']),
} as const satisfies Record<string, QueuePolicy>;

export type QueuePolicyName = keyof typeof QUEUE_POLICIES;

/** Service of earlier attempts and of this one. */
function attainedSoFar(running: Workload, nowMs: number): number {
  const devices = Math.max(1, heldAmounts(running)[0]!);
  return (running.attainedDeviceSeconds ?? 0) + (devices * (nowMs - (running.startedAtMs ?? nowMs))) / 1000;
}

export function policyOf(name: string | undefined): QueuePolicy {
  if (name === undefined) return QUEUE_POLICIES.default;
  if (Object.hasOwn(QUEUE_POLICIES, name)) return QUEUE_POLICIES[name as QueuePolicyName];
  throw new SnapshotError(
    'queue_policy_unknown',
    `There is no queue policy "${name}".`,
    `Use one of: ${Object.keys(QUEUE_POLICIES).join(', ')}.`,
  );
}
