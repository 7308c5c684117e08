import { GantryError, type Queue, unfinishedJobStates } from '@gantry/contract';
import { type QueueSpecRecord, allRows, checkVersion, findOr404 } from '@gantry/control';
import { createId } from '@gantry/kit';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { slicePage } from './page.ts';
import { checkQueueChange } from './queue-change.ts';
import { queueViews, toShare } from './queue-view.ts';

type QueueRoutes = Pick<Handlers, Exclude<Extract<keyof Handlers, `queues.${string}`>, 'queues.watch'>>;

export function queueRoutes(platform: Platform): QueueRoutes {
  const { deps, hub } = platform;

  const view = async (tenantId: string, tenant: string, name: string): Promise<Queue> => {
    const queue = await deps.store.read({ tenantId }, async (tx) =>
      (await queueViews(tx, tenantId, tenant)).find((each) => each.name === name || each.id === name),
    );
    if (queue === undefined)
      throw new GantryError('not_found', `there is no queue "${name}"`, {
        hint: 'list them: gantry queue list',
      });
    return queue;
  };

  return {
    'queues.create': async ({ principal, requestId }, { body }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const parent = await findOr404(tx, 'queue', principal.tenantId, body.parent ?? 'root');
        const holdsJobs = (await allRows(tx, 'job', unfinishedJobStates, parent.id)).length > 0;
        if (holdsJobs)
          throw new GantryError(
            'in_use',
            `queue "${parent.name}" has jobs; only an empty queue can become a parent`,
          );
        const row = await tx.insert({
          kind: 'queue',
          id: createId('que', deps.clock.nowMs()),
          tenantId: principal.tenantId,
          name: body.name,
          state: 'open',
          parentId: parent.id,
          spec: {
            deserved: toShare(body.deserved),
            limit: toShare(body.limit),
            weight: body.weight,
            priority: body.priority,
          } satisfies QueueSpecRecord,
          status: {},
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'queue',
          resourceId: row.id,
          type: 'queue.created',
          actor: principal.userName,
          requestId,
        });
      });
      hub.changed('scheduler');
      return view(principal.tenantId, principal.tenantName, body.name);
    },
    'queues.list': async ({ principal }, { query }) =>
      slicePage(
        await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
          queueViews(tx, principal.tenantId, principal.tenantName),
        ),
        query,
      ),
    'queues.get': ({ principal }, { params }) => view(principal.tenantId, principal.tenantName, params.name),
    'queues.update': async ({ principal, ifMatchVersion, requestId }, { params, body }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await findOr404(tx, 'queue', principal.tenantId, params.name);
        const views = await queueViews(tx, principal.tenantId, principal.tenantName);
        const before = views.find(({ id }) => id === row.id);
        if (before !== undefined)
          checkQueueChange(before, { parent: body.parent, limit: toShare(body.limit) });
        await tx.update('queue', row.id, {
          expectedVersion: ifMatchVersion ?? row.version,
          // Order, pool and minimum runtime are set elsewhere (routes/scheduling.ts) and stay.
          spec: {
            ...(row.spec as QueueSpecRecord),
            deserved: toShare(body.deserved),
            limit: toShare(body.limit),
            weight: body.weight,
            priority: body.priority,
          } satisfies QueueSpecRecord,
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'queue',
          resourceId: row.id,
          type: 'queue.updated',
          actor: principal.userName,
          requestId,
        });
      });
      hub.changed('scheduler');
      return view(principal.tenantId, principal.tenantName, params.name);
    },
    'queues.delete': async ({ principal, ifMatchVersion, requestId }, { params }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await findOr404(tx, 'queue', principal.tenantId, params.name);
        checkVersion(row, ifMatchVersion);
        const children = await allRows(tx, 'queue', undefined, row.id);
        const jobs = await allRows(tx, 'job', unfinishedJobStates, row.id);
        if (row.parentId === undefined || children.length > 0 || jobs.length > 0) {
          throw new GantryError('in_use', `queue "${row.name}" is a root, has children or has jobs`, {
            hint: 'cancel or wait for its jobs, delete its children first',
          });
        }
        if (row.name === 'default')
          throw new GantryError('in_use', 'queue "default" takes the jobs that name no queue', {
            hint: 'to keep it small, limit it: gantry queue update default --cpu-limit 1',
          });
        await tx.softDelete('queue', row.id);
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'queue',
          resourceId: row.id,
          type: 'queue.deleted',
          actor: principal.userName,
          requestId,
        });
      });
      return { ok: true as const };
    },
  };
}
