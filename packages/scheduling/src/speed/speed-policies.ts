/**
 * Orders that know how fast work runs, from what was measured of it and of its like (`Workload.speed`).
 * Of whom nothing was measured scales without loss, to twice its least size.
 */
import { heldAmounts } from '../gang-amounts.ts';
import { lostMs } from '../lost-work.ts';
import type { QueuePolicy } from '../policies.ts';
import type { Workload } from '../snapshot.ts';
import { goodput, SpeedCurve, speedOn } from './speed-curve.ts';
import { youth } from './youth.ts';

/** Over this time a change of size must pay for its restart. */
const HORIZON_MS = 600_000;
/** So long who runs keeps its place under `throughput-aware` (Gavel's rounds take six minutes; a restart here costs more). */
const ROUND_MS = 30 * 60_000;
/** A share of less than half is worth a restart. */
const UNFAIR = 2;

function fewestOf({ taskGroups }: Workload): number {
  return taskGroups.reduce((sum, { minCount }) => sum + minCount, 0);
}

const noLoss = (fewest: number): SpeedCurve =>
  SpeedCurve.of({ runs: [{ model: '', members: Math.max(1, fewest), perSecond: 1 }] }, null)!;

function curveOf(workload: Workload): SpeedCurve {
  const { speed, runsOn } = workload;
  return (speed === undefined ? null : SpeedCurve.of(speed, runsOn ?? null)) ?? noLoss(fewestOf(workload));
}

/** The most members that may be believed to help. */
export function largestUseful(workload: Workload): number {
  return curveOf(workload).largest;
}

function goodputOf(workload: Workload, members: number): number {
  const { speed = { runs: [] } } = workload;
  return goodput(speed, curveOf(workload), members, fewestOf(workload));
}

/** Unknown work takes a day on its least size. */
const UNKNOWN_MS = 24 * 3_600_000;

function remainingMs(workload: Workload, members: number, nowMs: number): number {
  const left = workload.speed?.left;
  if (left !== undefined) return (1000 * left) / goodputOf(workload, members);
  const startedAtMs = workload.startedAtMs ?? nowMs;
  const ranMs = (workload.ranForMs ?? 0) + nowMs - startedAtMs;
  const least = Math.max(0, (workload.runtimeEstimateMs ?? workload.timeLimitMs ?? UNKNOWN_MS) - ranMs);
  return (least * goodputOf(workload, fewestOf(workload))) / goodputOf(workload, members);
}

/** What a change to this size costs: nothing for who has it, or has not started. */
function restartMs(workload: Workload, members: number, nowMs: number): number {
  if (workload.state !== 'running' || workload.allocation?.length === members) return 0;
  const lost = lostMs(workload, nowMs);
  return lost.unsavedMs + lost.restartMs;
}

function attainedSeconds(workload: Workload, nowMs: number): number {
  const running = Math.max(0, nowMs - (workload.startedAtMs ?? nowMs)) / 1000;
  return (workload.attainedDeviceSeconds ?? 0) + running * Math.max(1, heldAmounts(workload)[0]!);
}

/** Of the time since it came, the part it ran, in seconds of the mean device model (Gavel §4.1: max-min). */
function effectiveShare(workload: Workload, nowMs: number): number {
  const { speed = { runs: [] }, ranOnMs, ranForMs = 0, runsOn, startedAtMs, createdAtMs } = workload;
  const earlierMs =
    ranOnMs === undefined
      ? ranForMs
      : Object.entries(ranOnMs).reduce((sum, [model, ms]) => sum + ms * speedOn(speed, model), 0);
  const nowSpeed = runsOn === undefined ? 1 : speedOn(speed, runsOn);
  const ranMs = earlierMs + Math.max(0, nowMs - (startedAtMs ?? nowMs)) * nowSpeed;
  return ranMs / Math.max(1, nowMs - createdAtMs);
}

export const speedPolicies = {
  /** Shortest remaining time first; devices go where they shorten it most (EuroSys'18, §4.1). */
  optimus: {
    keys: (nowMs) => [(workload) => remainingMs(workload, fewestOf(workload), nowMs)],
    worth: (workload, members, nowMs) =>
      -(remainingMs(workload, members, nowMs) + restartMs(workload, members, nowMs)) / 1000,
  },
  /** Who has had least service first; devices go where they add most progress (OSDI'21, §4). */
  goodput: {
    keys: (nowMs) => [
      (workload) => -youth(attainedSeconds(workload, nowMs)),
      (workload) => remainingMs(workload, fewestOf(workload), nowMs),
    ],
    worth: (workload, members, nowMs) => {
      const speedup = goodputOf(workload, members) / goodputOf(workload, fewestOf(workload));
      const lost = Math.min(0.5, restartMs(workload, members, nowMs) / HORIZON_MS);
      return speedup * (1 - lost) * youth(attainedSeconds(workload, nowMs));
    },
  },
  /** Equal shares of effective throughput (OSDI'20, §4.1), by taking turns; everyone on the model that helps it most. */
  'throughput-aware': {
    keys: (nowMs) => [(workload) => effectiveShare(workload, nowMs)],
    displaces: (waiting, running, nowMs) =>
      nowMs - (running.startedAtMs ?? nowMs) >= ROUND_MS &&
      UNFAIR * effectiveShare(waiting, nowMs) < effectiveShare(running, nowMs),
    choosesModels: true,
  },
} as const satisfies Record<
  string,
  Omit<QueuePolicy, 'order'> & {
    /** What is smallest goes first; the next decides among equals. */
    keys: (nowMs: number) => readonly ((workload: Workload) => number)[];
  }
>;
