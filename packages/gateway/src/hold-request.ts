import type { GatewayContext } from './gateway-context.ts';
import type { LoadMeter } from './load-meter.ts';

/** Counts a request as waiting until the routes change or the time is over, then resumes it; or until it is let go. */
export function holdRequest(
  { stats, table }: GatewayContext,
  load: LoadMeter,
  delayMs: number,
  resume: () => void,
): () => void {
  stats.holding++;
  load.holding++;
  const stop = (): void => {
    stats.holding--;
    load.holding--;
    clearTimeout(timer);
    off();
  };
  const go = (): void => {
    stop();
    resume();
  };
  const off = table.onChange(go);
  const timer = setTimeout(go, delayMs);
  return stop;
}
