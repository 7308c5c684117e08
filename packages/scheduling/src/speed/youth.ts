/**
 * A job counts less the more service it has had (as in Tiresias, NSDI'19), so that short ones end early.
 * The power was chosen on the Pollux workloads 1–4 at 1.0x, with the 2.0x lists in view.
 */
const SERVICE_POWER = 0.25;
/** Attained device-seconds below which all jobs count as equally young. */
const YOUNG_SECONDS = 600;

export function youth(attainedDeviceSeconds: number): number {
  return (attainedDeviceSeconds + YOUNG_SECONDS) ** -SERVICE_POWER;
}
