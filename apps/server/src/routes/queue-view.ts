/** How a queue is shown: shares in people's units, with what it and its children hold and wait for. */
import type { Queue } from '@gantry/contract';
import {
  type EndpointSpecRecord,
  type HeldAmounts,
  type JobSpecRecord,
  type JobStatusRecord,
  type QueueSpecRecord,
  type ReplicaSpecRecord,
  allRows,
  amountsOfReplica,
  currentAttempt,
  heldBy,
} from '@gantry/control';
import type { Row, Tx } from '@gantry/ports';
import { base } from './base.ts';

interface ShareBody {
  readonly devices?: number | undefined;
  readonly cpu?: number | undefined;
  readonly memory?: number | undefined;
  readonly storage?: number | undefined;
}

export const toShare = (share: ShareBody | undefined): QueueSpecRecord['limit'] => ({
  ...(share?.devices === undefined ? {} : { devices: share.devices }),
  ...(share?.cpu === undefined ? {} : { cpuMilli: Math.round(share.cpu * 1000) }),
  ...(share?.memory === undefined ? {} : { memoryBytes: share.memory }),
  ...(share?.storage === undefined ? {} : { storageBytes: share.storage }),
});

export const fromShare = (share: QueueSpecRecord['limit']): Record<string, number> => ({
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

/** What each queue's jobs and replicas hold and wait for, its children's included. */
async function loads(tx: Tx, queues: readonly Row[]): Promise<ReadonlyMap<string, Load>> {
  const result = new Map<string, Load>(
    queues.map((queue) => [queue.id, { used: { devices: 0, cpu: 0, memory: 0 }, running: 0, waiting: 0 }]),
  );
  const parents = new Map(queues.map((queue) => [queue.id, queue.parentId]));
  const add = (queueId: string, held: HeldAmounts | undefined): void => {
    for (let id: string | undefined = queueId; id !== undefined; id = parents.get(id)) {
      const load = result.get(id);
      if (load === undefined) return;
      if (held === undefined) load.waiting += 1;
      else {
        load.running += 1;
        load.used['devices'] = (load.used['devices'] ?? 0) + held.gpus;
        load.used['cpu'] = (load.used['cpu'] ?? 0) + held.cpus;
        load.used['memory'] = (load.used['memory'] ?? 0) + held.memoryBytes;
      }
    }
  };
  for (const row of await allRows(tx, 'job', ['queued', 'starting', 'running', 'stopping'])) {
    const { job, queueId } = row.spec as JobSpecRecord;
    const attempt = currentAttempt(row.status as JobStatusRecord);
    add(queueId, row.state === 'queued' ? undefined : heldBy(job, attempt?.placement ?? []));
  }
  const queueOf = new Map(
    (await allRows(tx, 'endpoint')).map((row) => [row.id, (row.spec as EndpointSpecRecord).queueId]),
  );
  for (const row of await allRows(tx, 'replica', ['queued', 'starting', 'ready', 'draining'])) {
    const queueId = queueOf.get(row.parentId ?? '');
    if (queueId === undefined) continue;
    add(queueId, row.state === 'queued' ? undefined : amountsOfReplica(row.spec as ReplicaSpecRecord));
  }
  return result;
}

export async function queueViews(tx: Tx, tenantId: string, tenant: string): Promise<readonly Queue[]> {
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
}
