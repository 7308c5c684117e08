import { GantryError, type JobSpec, type Queue } from '@gantry/contract';
import {
  type JobSpecRecord,
  type QueueSpecRecord,
  allRows,
  checkVersion,
  findOr404,
  rankCount,
} from '@gantry/control';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';
import { slicePage } from './page.ts';

type QueueRoutes = Pick<Handlers, Exclude<Extract<keyof Handlers, `queues.${string}`>, 'queues.watch'>>;
interface ShareBody {
  readonly devices?: number | undefined;
  readonly cpu?: number | undefined;
  readonly memory?: number | undefined;
  readonly storage?: number | undefined;
}

const toShare = (share: ShareBody | undefined): QueueSpecRecord['limit'] => ({
  ...(share?.devices === undefined ? {} : { devices: share.devices }),
  ...(share?.cpu === undefined ? {} : { cpuMilli: Math.round(share.cpu * 1000) }),
  ...(share?.memory === undefined ? {} : { memoryBytes: share.memory }),
  ...(share?.storage === undefined ? {} : { storageBytes: share.storage }),
});

const fromShare = (share: QueueSpecRecord['limit']): Record<string, number> => ({
  ...(share.devices === undefined ? {} : { devices: share.devices }),
  ...(share.cpuMilli === undefined ? {} : { cpu: share.cpuMilli / 1000 }),
  ...(share.memoryBytes === undefined ? {} : { memory: share.memoryBytes }),
  ...(share.storageBytes === undefined ? {} : { storage: share.storageBytes }),
});

interface Load {
  readonly used: Record<string, number>;
  running: number;
  waiting: number;
}

/** What each queue holds and waits for, its children's included. */
async function loads(tx: Tx, queues: readonly Row[]): Promise<ReadonlyMap<string, Load>> {
  const result = new Map<string, Load>(
    queues.map((queue) => [queue.id, { used: { devices: 0, cpu: 0, memory: 0 }, running: 0, waiting: 0 }]),
  );
  const parents = new Map(queues.map((queue) => [queue.id, queue.parentId]));
  const add = (
    queueId: string,
    spec: Pick<JobSpec, 'resources'>,
    count: number,
    isRunning: boolean,
  ): void => {
    for (let id: string | undefined = queueId; id !== undefined; id = parents.get(id)) {
      const load = result.get(id);
      if (load === undefined) return;
      if (isRunning) {
        load.running += 1;
        load.used['devices'] = (load.used['devices'] ?? 0) + spec.resources.gpu * count;
        load.used['cpu'] = (load.used['cpu'] ?? 0) + spec.resources.cpu * count;
        load.used['memory'] = (load.used['memory'] ?? 0) + spec.resources.memory * count;
      } else load.waiting += 1;
    }
  };
  for (const row of await allRows(tx, 'job', ['queued', 'starting', 'running', 'stopping'])) {
    const { job, queueId } = row.spec as JobSpecRecord;
    add(queueId, job, rankCount(job), row.state !== 'queued');
  }
  return result;
}

export function queueRoutes(platform: Platform): QueueRoutes {
  const { deps, hub } = platform;

  const views = async (tx: Tx, tenantId: string, tenant: string): Promise<readonly Queue[]> => {
    const rows = (await allRows(tx, 'queue')).filter((row) => row.tenantId === tenantId);
    const load = await loads(tx, rows);
    const names = new Map(rows.map((row) => [row.id, row.name]));
    return rows.map((row) => {
      const spec = row.spec as QueueSpecRecord;
      const parent = row.parentId === undefined ? undefined : names.get(row.parentId);
      return {
        ...base(row, tenant),
        ...(parent === undefined ? {} : { parent }),
        deserved: fromShare(spec.deserved),
        limit: fromShare(spec.limit),
        weight: spec.weight,
        priority: spec.priority,
        ...(load.get(row.id) ?? { used: {}, running: 0, waiting: 0 }),
      };
    });
  };
  const view = async (tenantId: string, tenant: string, name: string): Promise<Queue> => {
    const queue = await deps.store.read({ tenantId }, async (tx) =>
      (await views(tx, tenantId, tenant)).find((each) => each.name === name || each.id === name),
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
        const holdsJobs =
          (await allRows(tx, 'job', ['queued', 'starting', 'running', 'stopping'], parent.id)).length > 0;
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
          views(tx, principal.tenantId, principal.tenantName),
        ),
        query,
      ),
    'queues.get': ({ principal }, { params }) => view(principal.tenantId, principal.tenantName, params.name),
    'queues.update': async ({ principal, ifMatchVersion, requestId }, { params, body }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await findOr404(tx, 'queue', principal.tenantId, params.name);
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
        const jobs = await allRows(tx, 'job', ['queued', 'starting', 'running', 'stopping'], row.id);
        if (row.parentId === undefined || children.length > 0 || jobs.length > 0) {
          throw new GantryError('in_use', `queue "${row.name}" is a root, has children or has jobs`, {
            hint: 'cancel or wait for its jobs, delete its children first',
          });
        }
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
