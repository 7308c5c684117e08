import {
  GantryError,
  type Job,
  type JobSpec,
  type JobState,
  isTerminal,
  jobTransition,
} from '@gantry/contract';
import {
  checkVersion,
  findOr404,
  maskStream,
  secretValues,
  requestStop,
  submitJob,
  usableQueue,
  workerIdOf,
} from '@gantry/control';
import type { JobStatusRecord } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Handlers, Principal, StreamItem } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { toEvent } from './events.ts';
import { viewJob } from './view-job.ts';
import { toLogBeginning } from './log-beginning.ts';

type JobRoutes = Omit<
  Pick<Handlers, Extract<keyof Handlers, `jobs.${string}`>>,
  'jobs.output' | 'jobs.suspend' | 'jobs.resume'
>;

export function jobRoutes(platform: Platform): JobRoutes {
  const { deps, hub } = platform;

  const view = (principal: Principal, row: Row): Job => viewJob(platform, principal, row);

  const load = async (principal: Principal, name: string): Promise<Job> => {
    const row = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
      findOr404(tx, 'job', principal.tenantId, name),
    );
    return view(principal, row);
  };

  return {
    'jobs.submit': ({ principal, requestId }, { body }) => submitJob(deps, hub, principal, body, requestId),
    'jobs.list': async ({ principal }, { query }) => {
      const page = await deps.store.read({ tenantId: principal.tenantId }, async (tx) => {
        const queue =
          query.queue === undefined ? undefined : await usableQueue(tx, principal.tenantId, query.queue);
        return tx.list('job', {
          tenantId: principal.tenantId,
          limit: query.limit,
          newestFirst: true,
          ...(query.state === undefined ? {} : { state: [query.state] }),
          ...(queue === undefined ? {} : { parentId: queue.id }),
          ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        });
      });
      const items = page.items.map((row) => view(principal, row));
      return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
    },
    'jobs.get': ({ principal }, { params }) => load(principal, params.name),
    'jobs.cancel': async ({ principal, requestId }, { params }) => {
      const job = await load(principal, params.name);
      const reached = await requestStop(
        deps,
        job.id,
        'cancelled',
        { requestedBy: principal.userName },
        'user',
        { by: principal.userName, requestId },
      );
      if (reached === undefined && job.state !== 'stopping') {
        throw new GantryError(
          'invalid_transition',
          `job "${job.name}" is ${job.state}; it cannot be cancelled`,
        );
      }
      if (reached === 'stopping') await platform.jobs.stop(job.id, 'cancelled');
      hub.changed(`job:${job.id}`);
      hub.changed('scheduler');
      return load(principal, job.id);
    },
    'jobs.retry': async ({ principal, requestId }, { params }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await findOr404(tx, 'job', principal.tenantId, params.name);
        const transition = jobTransition(row.state as JobState, 'queued', 'user');
        if (transition === undefined)
          throw new GantryError(
            'invalid_transition',
            `job "${row.name}" is ${row.state}; only failed and cancelled jobs can be retried`,
          );
        const {
          exitClass: _exit,
          exitMessage: _message,
          hint: _hint,
          endedAt: _ended,
          stderrTail: _tail,
          ...status
        } = row.status as JobStatusRecord;
        await tx.update('job', row.id, {
          expectedVersion: row.version,
          state: 'queued',
          status: { ...status, userRetriesUsed: 0, platformRestarts: 0 },
        });
        await tx.event({
          tenantId: row.tenantId,
          kind: 'job',
          resourceId: row.id,
          type: transition.event,
          fromState: row.state,
          toState: 'queued',
          actor: principal.userName,
          requestId,
        });
      });
      hub.changed('scheduler');
      return load(principal, params.name);
    },
    'jobs.delete': async ({ principal, ifMatchVersion, requestId }, { params }) => {
      const job = await load(principal, params.name);
      checkVersion({ kind: 'job', version: job.version }, ifMatchVersion);
      if (!isTerminal(job.state))
        throw new GantryError('invalid_transition', `job "${job.name}" is ${job.state}; cancel it first`, {
          hint: `gantry job cancel ${job.name}`,
        });
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        await tx.softDelete('job', job.id);
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'job',
          resourceId: job.id,
          type: 'job.deleted',
          fromState: job.state,
          actor: principal.userName,
          requestId,
        });
      });
      for (const attempt of job.attempts) {
        for (const { rank } of attempt.placement) await deps.runner.remove(workerIdOf(attempt.id, rank));
      }
      await deps.places.removeRun(job.id);
      return { ok: true as const };
    },
    'jobs.events': async ({ principal }, { params, query }) => {
      const job = await load(principal, params.name);
      const page = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        tx.listEvents({
          tenantId: principal.tenantId,
          resourceId: job.id,
          limit: query.limit,
          newestFirst: false,
          ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        }),
      );
      const items = page.items.map((event) => toEvent(event, principal.tenantName));
      return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
    },
    'jobs.logs': async function* ({ principal, signal }, { params, query }): AsyncIterable<StreamItem> {
      const job = await load(principal, params.name);
      const attempt = job.attempts.at(-1);
      if (attempt === undefined) return;
      const workerId = workerIdOf(attempt.id, query.rank);
      const isKept = (await deps.runner.list([workerId])).length > 0;
      if (!isKept && attempt.placement.every(({ rank }) => rank !== query.rank))
        throw new GantryError('not_found', `job "${job.name}" has no rank ${query.rank}`, {
          hint: `its ranks are 0 to ${attempt.placement.length - 1}`,
        });
      if (!isKept && attempt.state === 'ended')
        throw new GantryError('not_found', `the logs of job "${job.name}" are not kept any more`, {
          hint: 'how long they stay: gantry up --keep logs=30d',
        });
      const log = deps.runner.readLog(workerId, {
        stream: query.stream,
        ...toLogBeginning(query),
        follow: query.follow,
        signal,
        ...(query.limitBytes === undefined ? {} : { limitBytes: query.limitBytes }),
      });
      const secrets = await secretValues(deps, principal.tenantId, job.spec as JobSpec);
      for await (const chunk of maskStream(log, secrets)) yield { chunk };
    },
    'jobs.watch': async function* ({ principal, signal }, { params }): AsyncIterable<StreamItem> {
      const first = await load(principal, params.name);
      for (;;) {
        // Subscribed before looking, so that nothing between the two is missed.
        const changed = hub.next(`job:${first.id}`, signal);
        const job = await load(principal, first.id);
        yield { event: 'job', data: job };
        if (isTerminal(job.state)) break;
        await changed;
        if (signal.aborted) return;
      }
      yield { event: 'end', data: {} };
    },
  };
}
