/**
 * Where time comes from, so that tests can turn it. `nowMs` is the calendar: milliseconds since the Unix epoch, which
 * may jump. `monotonicMs` only counts, from no particular moment: durations inside one process are taken from it.
 */
export interface Clock {
  nowMs(): number;
  monotonicMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

export interface ManualClock extends Clock {
  advance(milliseconds: number): void;
  /** Sets the calendar, as an operator or NTP does; what only counts does not notice. */
  jump(milliseconds: number): void;
}

export function createManualClock(startMs = 1_700_000_000_000): ManualClock {
  let nowMs = startMs;
  let countedMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => countedMs,
    advance: (milliseconds) => {
      nowMs += milliseconds;
      countedMs += milliseconds;
    },
    jump: (milliseconds) => {
      nowMs += milliseconds;
    },
  };
}
