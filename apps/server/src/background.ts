/**
 * What goes on without being asked: the change feed wakes the rules, worker events become state. Both outlast
 * a database that is away: an event that could not be written is written when it is back.
 */
import { GantryError } from '@gantry/contract';
import type { WorkerEvent } from '@gantry/ports';
import type { Logger } from 'pino';
import type { Platform } from './platform.ts';

/** Another server's or psql's changes wake us through the feed, our own too. */
export async function followFeed(platform: Platform, signal: AbortSignal, logger: Logger): Promise<void> {
  let sinceSeq: number | undefined;
  while (!signal.aborted) {
    try {
      for await (const event of platform.feed(signal, sinceSeq === undefined ? {} : { sinceSeq })) {
        sinceSeq = event.seq;
        const { kind, resourceId, tenantId } = event;
        for (const topic of [`${kind}:${resourceId}`, `${kind}@${tenantId}`, `kind:${kind}`])
          platform.hub.changed(topic);
        platform.scheduler.note(event.kind, event.resourceId);
        if (event.actor !== 'scheduler') platform.hub.changed('scheduler');
      }
    } catch (error) {
      if (signal.aborted) return;
      logger.error({ error: String(error) }, 'the change feed broke; reading on');
      await pause(1_000, signal);
    }
  }
}

export async function pumpWorkers(platform: Platform, signal: AbortSignal, logger: Logger): Promise<void> {
  for await (const event of platform.deps.runner.events(signal)) {
    for (let delayMs = 100; !signal.aborted; delayMs = Math.min(5_000, delayMs * 2)) {
      if (await take(platform, event, logger)) break;
      await pause(delayMs, signal);
    }
  }
}

/** False when the database is away: the event is to be told again. */
async function take(platform: Platform, event: WorkerEvent, logger: Logger): Promise<boolean> {
  const { workerId, type } = event;
  try {
    const isMine =
      (await platform.jobs.onWorkerEvent(event)) || (await platform.endpoints.onWorkerEvent(event));
    if (!isMine) logger.debug({ workerId, type }, 'an event of a worker that nobody waits for');
    return true;
  } catch (error) {
    if (error instanceof GantryError && error.code === 'store_unavailable') {
      logger.warn({ workerId, type }, 'a worker event waits for the database');
      return false;
    }
    logger.error(
      { workerId, type, error: error instanceof Error ? error.stack : String(error) },
      'a worker event failed',
    );
    return true;
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(finish, delayMs);
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    }
    signal.addEventListener('abort', finish, { once: true });
  });
}
