/**
 * Follows one engine from its start to its end: waits until it answers, then looks at it every few seconds. An
 * engine that says "not now" gets no traffic until it does not; one that says nothing for long is given up.
 */
import type { Places } from '../deps.ts';
import type { Origin } from './to-route.ts';

export interface EngineWatchOptions {
  readonly places: Pick<Places, 'engineOrigin' | 'engineHealth'>;
  readonly workerId: string;
  readonly signal: AbortSignal;
  /** Given up when it is not ready after so long. */
  readonly startUpMs?: number;
  wait(delayMs: number): Promise<void>;
  /** First true after loading and warming up. */
  onReadiness(origin: Origin, isReady: boolean): Promise<void>;
  /** It never became ready, or fell silent: stop it. */
  onGivenUp(reason: string): Promise<void>;
}

const loadingLookMs = 50;
const startUpBudgetMs = 120_000;
const lookMs = 5_000;
/** Half a minute of silence. A long computation may hold up a look or two. */
const silentLooks = 6;

export async function watchEngine(options: EngineWatchOptions): Promise<void> {
  const { places, workerId, signal } = options;
  const startUpMs = options.startUpMs ?? startUpBudgetMs;
  let origin: Origin | undefined;
  for (let waitedMs = 0; origin === undefined; waitedMs += loadingLookMs) {
    const found = await places.engineOrigin(workerId);
    if (signal.aborted) return;
    if (found !== undefined && (await places.engineHealth(found)) === 'ready') origin = found;
    else if (waitedMs >= startUpMs)
      return options.onGivenUp(`the engine was not ready within ${startUpMs / 1_000} s`);
    else await options.wait(loadingLookMs);
    if (signal.aborted) return;
  }
  await options.onReadiness(origin, true);
  let wasReady: boolean = true;
  let silent = 0;
  for (;;) {
    await options.wait(lookMs);
    if (signal.aborted) return;
    const health = await places.engineHealth(origin);
    if (signal.aborted) return;
    silent = health === 'unreachable' ? silent + 1 : 0;
    if (silent >= silentLooks)
      return options.onGivenUp(`the engine did not answer for ${(silentLooks * lookMs) / 1_000} s`);
    const isReady: boolean = health === 'ready' || (health === 'unreachable' && wasReady);
    if (isReady !== wasReady) await options.onReadiness(origin, isReady);
    wasReady = isReady;
  }
}
