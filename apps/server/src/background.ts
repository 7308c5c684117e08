/**
 * What goes on without being asked: the change feed wakes the rules, worker events become state. Both outlast
 * a database that is away: an event that could not be written is written when it is back.
 */
import { GantryError } from '@gantry/contract';
import { pause } from '@gantry/kit';
import type { Runner, WorkerEvent, WorkerExit } from '@gantry/ports';
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
        // Also of another server: no key outlives its end here.
        if (kind === 'key' || kind === 'user') platform.forgetKeys();
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

export interface WorkerListeners {
  readonly deps: { readonly runner: Pick<Runner, 'events'> };
  readonly jobs: Pick<Platform['jobs'], 'onWorkerEvent'>;
  readonly endpoints: Pick<Platform['endpoints'], 'onWorkerEvent'>;
}

/**
 * Tells each event to whoever owns the worker, in order. A database that is away is waited for. An end that cannot be
 * taken for another reason is told once more without what the program left behind: nothing may run for ever.
 */
export async function pumpWorkers(
  platform: WorkerListeners,
  signal: AbortSignal,
  logger: Pick<Logger, 'debug' | 'warn' | 'error'>,
): Promise<void> {
  for await (const event of platform.deps.runner.events(signal)) {
    const problem = await take(platform, event, signal, logger);
    if (problem === undefined) continue;
    const { workerId, type } = event;
    logger.error({ workerId, type, error: problem.stack ?? problem.message }, 'a worker event failed');
    if (type !== 'exited') continue;
    const again = await take(
      platform,
      { type, workerId, exit: bareExit(event.exit, problem) },
      signal,
      logger,
    );
    if (again !== undefined)
      logger.error(
        { workerId, error: again.stack ?? again.message },
        'the end of a worker is not written down',
      );
  }
}

/** What went wrong, where it is not the database being away. */
async function take(
  platform: WorkerListeners,
  event: WorkerEvent,
  signal: AbortSignal,
  logger: Pick<Logger, 'debug' | 'warn'>,
): Promise<Error | undefined> {
  const { workerId, type } = event;
  for (let delayMs = 100; !signal.aborted; delayMs = Math.min(5_000, delayMs * 2)) {
    try {
      const isMine =
        (await platform.jobs.onWorkerEvent(event)) || (await platform.endpoints.onWorkerEvent(event));
      if (!isMine) logger.debug({ workerId, type }, 'an event of a worker that nobody waits for');
      return undefined;
    } catch (error) {
      const isAway = error instanceof GantryError && error.code === 'store_unavailable';
      if (!isAway) return error instanceof Error ? error : new Error(String(error));
      logger.warn({ workerId, type }, 'a worker event waits for the database');
      await pause(delayMs, signal);
    }
  }
  return undefined;
}

/** A success that could not be taken is no success: what it made is not kept. */
function bareExit(exit: WorkerExit, problem: Error): WorkerExit {
  const why = problem instanceof GantryError ? problem.message : 'the server log says why';
  return {
    ...exit,
    exitClass: exit.exitClass === 'done' ? 'infrastructure' : exit.exitClass,
    message: `its end could not be taken as it was: ${why}`,
    stderrTail: [],
  };
}
