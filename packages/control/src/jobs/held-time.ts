/**
 * How long an attempt held its devices. Two clocks are asked: the calendar, which an operator or NTP may set, and
 * one that only counts (this process's, or the shim's after a restart). Where they agree the calendar is right, so
 * that events and ledger tell the same; where they do not, the counter is. Pure.
 */
export function heldTimeMs(wallMs: number, countedMs: number | undefined): number {
  if (countedMs === undefined) return Math.max(0, wallMs);
  const agreeWithinMs = 2_000 + countedMs * 0.01;
  return Math.abs(wallMs - countedMs) <= agreeWithinMs ? Math.max(0, wallMs) : countedMs;
}
