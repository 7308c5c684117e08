/**
 * Books what models took of the disk, once a UTC day for the days that are over, however long the server was away.
 * A calendar that jumped ahead is not believed for an hour: the ledger cannot be corrected.
 */
import type { Deps } from '../deps.ts';
import { createJumpGuard } from '../jump-guard.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import { createSerialLoop } from '../serial-loop.ts';
import { createWakeTimer } from '../wake-timer.ts';
import { bookStoredBytes, bookedUntilMs, startOfDay } from './stored-bytes.ts';

export interface StorageMeter extends AsyncDisposable {
  /** Books all days that are over. */
  book(): Promise<void>;
}

const dayMs = 86_400_000;
/** A little after midnight, when nobody argues about which day it is. */
const afterMidnightMs = 60_000;
const perTransaction = 100;

export function createStorageMeter(deps: Deps, firstDelayMs = 60_000): StorageMeter {
  const guard = createJumpGuard(deps.clock);
  const loop = createSerialLoop(
    async () => {
      const distrustMs = guard.distrustMs();
      if (distrustMs > 0) return timer.wakeIn(distrustMs);
      const nowMs = deps.clock.nowMs();
      await bookAll(deps, startOfDay(nowMs));
      timer.wakeIn(startOfDay(nowMs) + dayMs + afterMidnightMs - nowMs);
    },
    (error) => {
      deps.log.error({ error: String(error) }, 'stored bytes could not be booked; trying again in an hour');
      timer.wakeIn(3_600_000);
    },
  );
  const timer = createWakeTimer(deps.clock, () => loop.poke());
  timer.wakeIn(firstDelayMs);
  return {
    book: async () => {
      loop.poke();
      await loop.idle();
    },
    [Symbol.asyncDispose]: async () => {
      timer[Symbol.dispose]();
      await loop[Symbol.asyncDispose]();
    },
  };
}

async function bookAll(deps: Deps, untilMs: number): Promise<void> {
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    cursor = await retryOnConflict(() =>
      deps.store.tx({ platform: true }, async (tx) => {
        const page = await tx.list('model-version', { limit: perTransaction, newestFirst: false, ...from });
        for (const version of page.items)
          if (bookedUntilMs(version) < untilMs) await bookStoredBytes(tx, version, untilMs, deps.prices);
        return page.nextCursor;
      }),
    );
  } while (cursor !== undefined);
}
