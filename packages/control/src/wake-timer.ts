import type { Clock } from '@gantry/kit';

export interface WakeTimer extends Disposable {
  /** Calls back after so long; an earlier call that was asked for stays. */
  wakeIn(delayMs: number): void;
}

/** Timers end at 2^31 ms, and a calendar may be set meanwhile: a day is far enough. */
const longestMs = 86_400_000;
const shortestMs = 1_000;

/** One timer for many wishes: the earliest counts. It keeps no process alive. */
export function createWakeTimer(clock: Clock, onWake: () => void): WakeTimer {
  let timer: NodeJS.Timeout | undefined;
  let wakeAtMs = Infinity;
  return {
    wakeIn: (delayMs) => {
      const bounded = Math.min(longestMs, Math.max(shortestMs, delayMs));
      const atMs = clock.monotonicMs() + bounded;
      if (atMs >= wakeAtMs) return;
      clearTimeout(timer);
      wakeAtMs = atMs;
      timer = setTimeout(() => {
        wakeAtMs = Infinity;
        onWake();
      }, bounded).unref();
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
