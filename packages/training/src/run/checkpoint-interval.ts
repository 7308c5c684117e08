/**
 * How long to train between two checkpoints: work lost at a failure against time spent saving (Young 1974; the
 * higher-order form of Daly 2006, eq. 37, which holds also where saving is not cheap beside the time between failures).
 */
export function checkpointIntervalMs(costMs: number, meanTimeBetweenFailuresMs: number): number {
  if (costMs >= 2 * meanTimeBetweenFailuresMs) return meanTimeBetweenFailuresMs;
  const ratio = costMs / (2 * meanTimeBetweenFailuresMs);
  const young = Math.sqrt(2 * costMs * meanTimeBetweenFailuresMs);
  return young * (1 + Math.sqrt(ratio) / 3 + ratio / 9) - costMs;
}

/**
 * What was expected counts like one interruption after as long a time: with none seen yet the expectation stands and
 * grows slowly, and it fades as interruptions come.
 */
export function meanTimeBetweenFailuresMs(
  expectedMs: number,
  seen: { readonly runningMs: number; readonly interruptions: number },
): number {
  return (expectedMs + seen.runningMs) / (1 + seen.interruptions);
}
