/** Moves of the last hour against what the policy allows in one. */
import type { Plan } from './plan.ts';

const HOUR_MS = 3_600_000;

/** Running work that a plan moves elsewhere. */
export const movesIn = ({ evictions, resizes }: Plan): number =>
  evictions.filter(({ reason }) => reason.code === 'moved').length +
  resizes.filter(({ reason }) => reason.code === 'relocated').length;

export class MoveBudget {
  #movedAtMs: number[] = [];

  left(movesPerHour: number, nowMs: number): number {
    this.#movedAtMs = this.#movedAtMs.filter((atMs) => nowMs - atMs < HOUR_MS);
    return Math.max(0, movesPerHour - this.#movedAtMs.length);
  }

  /** Until one more may be moved than now; null when that does not change with time. */
  nextInMs(nowMs: number): number | null {
    const [oldestAtMs] = this.#movedAtMs;
    return oldestAtMs === undefined ? null : Math.max(0, oldestAtMs + HOUR_MS - nowMs);
  }

  spend(moves: number, nowMs: number): void {
    for (let move = 0; move < moves; move++) this.#movedAtMs.push(nowMs);
  }
}
