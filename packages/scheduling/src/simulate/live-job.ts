/** A job of a replay, as submitted and under way. */
import type { PlacedMember } from '../statement.ts';

export interface ReplayJob {
  id: string;
  arrivalSeconds: number;
  durationSeconds: number;
  devices: number;
}

/** A job under way. Times in seconds since the first arrival. */
export interface LiveJob {
  readonly index: number;
  readonly job: ReplayJob;
  remainingSeconds: number;
  /** Device-seconds used so far. */
  attained: number;
  /** Seconds of restart still to be paid before work goes on. */
  overheadSeconds: number;
  waitedSeconds: number;
  /** The moment up to which the numbers above are true. */
  syncedAt: number;
  startedAt: number | null;
  preemptions: number;
  epoch: number;
  members: PlacedMember[] | null;
  finishedAt: number | null;
}
