/**
 * Does a write again until the database takes it: what a worker did is true whether or not a database is there to
 * note it. Other errors are the caller's; an aborted wait rejects with the last one.
 */
import { GantryError } from '@gantry/contract';
import { pause } from '@gantry/kit';
import type { Log } from './deps.ts';

export interface UntilStoredOptions {
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly firstDelayMs?: number;
}

const longestDelayMs = 10_000;

export async function untilStored<T>(write: () => Promise<T>, options: UntilStoredOptions): Promise<T> {
  let delayMs = options.firstDelayMs ?? 250;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      const isAway = error instanceof GantryError && error.code === 'store_unavailable';
      if (!isAway || options.signal.aborted) throw error;
      options.log.warn({ delayMs }, 'the database is away; what happened is kept and written later');
      await pause(delayMs, options.signal);
      if (options.signal.aborted) throw error;
      delayMs = Math.min(longestDelayMs, delayMs * 2);
    }
  }
}
