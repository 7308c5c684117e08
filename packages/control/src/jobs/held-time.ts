/**
 * How long an attempt held its devices. Two clocks are asked: the calendar, which an operator or NTP may set, and
 * one that only counts (in this process, or in the shims after a restart). Where they agree the calendar is right, so
 * that events and ledger tell the same; where they do not, the counter is. Pure.
 */
export function heldTimeMs(wallMs: number, countedMs: number): number {
  const agreeWithinMs = 2_000 + countedMs * 0.01;
  return Math.max(0, Math.abs(wallMs - countedMs) <= agreeWithinMs ? wallMs : countedMs);
}

/** What this process counted; after a restart the calendar without the jumps that the shims saw. */
export function countedTimeMs(
  seen: {
    readonly placedMs: number | undefined;
    readonly exits: ReadonlyMap<number, { readonly clockJumpMs?: number }>;
  },
  endedMs: number,
  wallMs: number,
): number {
  if (seen.placedMs !== undefined) return endedMs - seen.placedMs;
  const jumpsMs = [...seen.exits.values()].map(({ clockJumpMs = 0 }) => clockJumpMs);
  return wallMs - jumpsMs.reduce((most, each) => (Math.abs(each) > Math.abs(most) ? each : most), 0);
}
