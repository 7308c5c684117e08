import type { Clock } from '@gantry/kit';

export interface JumpGuard {
  /** How long the calendar should not be believed, in milliseconds; 0: it may be. Asking is looking. */
  distrustMs(): number;
}

const jumpMs = 600_000;
const distrustForMs = 3_600_000;

/**
 * Tells when the calendar jumped ahead of a clock that only counts: an operator's slip is set right soon, a machine
 * that slept stays where it is.
 */
export function createJumpGuard(clock: Clock): JumpGuard {
  let offsetMs = clock.nowMs() - clock.monotonicMs();
  let untilMs = -Infinity;
  return {
    distrustMs: () => {
      const before = offsetMs;
      offsetMs = clock.nowMs() - clock.monotonicMs();
      if (offsetMs - before > jumpMs) untilMs = clock.monotonicMs() + distrustForMs;
      return Math.max(0, untilMs - clock.monotonicMs());
    },
  };
}
