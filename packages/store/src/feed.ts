/**
 * The change feed. All readers share one listening connection; each remembers how far it is and reads on when
 * something was committed, at its own pace: a slow reader holds nothing in memory.
 */
import { GantryError } from '@gantry/contract';
import type { FeedEvent, FeedOptions } from '@gantry/ports';
import type { SqlTx } from './sql-tx.ts';

const pageSize = 500;
/** One broken connection is no absence of the database: nobody will tell of its return. */
const readAgainAfterMs = 500;

export interface Feed {
  read(signal: AbortSignal, options?: FeedOptions): AsyncIterable<FeedEvent>;
  /** Something may have been committed. */
  wake(): void;
}

export function createFeed(run: <T>(fn: (tx: SqlTx) => Promise<T>) => Promise<T>): Feed {
  const readers = new Set<() => void>();
  return {
    wake: () => {
      for (const wake of readers) wake();
    },
    async *read(signal, options = {}) {
      let isNews = true;
      let wake: (() => void) | undefined;
      const onNews = (): void => {
        isNews = true;
        wake?.();
      };
      readers.add(onNews);
      signal.addEventListener('abort', onNews, { once: true });
      try {
        let seq = options.sinceSeq ?? (await run((tx) => tx.newestSeq()));
        while (!signal.aborted) {
          if (!isNews) {
            await new Promise<void>((resolve) => {
              wake = resolve;
              if (isNews) resolve();
            });
            continue;
          }
          isNews = false;
          const events = await readPage(run, seq, options.tenantId);
          if (events === undefined) {
            setTimeout(onNews, readAgainAfterMs).unref();
            continue;
          }
          if (events.length === pageSize) isNews = true;
          for (const event of events) {
            seq = event.seq;
            yield event;
          }
        }
      } finally {
        readers.delete(onNews);
        signal.removeEventListener('abort', onNews);
      }
    },
  };
}

/** Undefined when the connection broke or the database is away. */
async function readPage(
  run: <T>(fn: (tx: SqlTx) => Promise<T>) => Promise<T>,
  seq: number,
  tenantId: string | undefined,
): Promise<readonly FeedEvent[] | undefined> {
  try {
    return await run((tx) => tx.eventsAfter(seq, pageSize, tenantId));
  } catch (error) {
    if (error instanceof GantryError && error.code === 'store_unavailable') return undefined;
    throw error;
  }
}
