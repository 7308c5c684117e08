/** What an endpoint scales up to is work like any: from the autoscaler's word to who gets which device. */
import { jobSpecSchema } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import { planCycle } from '@gantry/scheduling';
import { expect, it } from 'vitest';
import { buildSnapshot, type SnapshotRows } from '../scheduling/build-snapshot.ts';
import { decideEndpoint } from './decide-endpoint.ts';
import type { EndpointSpecRecord, EndpointStatusRecord } from './endpoint-record.ts';
import { newReplica } from './new-replica.ts';

const at = '2026-01-01T00:00:00.000Z';
const nowMs = Date.parse(at) + 60_000;
const row = (kind: Row['kind'], id: string, state: string, spec: object, more: Partial<Row> = {}): Row => ({
  kind,
  id,
  tenantId: 't',
  name: id,
  state,
  parentId: undefined,
  version: 1,
  spec,
  status: {},
  createdAt: at,
  updatedAt: at,
  ...more,
});

const device = { kind: 'gpu', model: 'a100', memoryBytes: 2 ** 36, healthy: true };
const node = row('node', 'n1', 'ready', {
  cpuMilli: 64_000,
  memoryBytes: 2 ** 39,
  storageBytes: 0,
  labels: {},
  topology: ['n1'],
  address: '',
  facts: {},
  devices: [0, 1, 2, 3].map((index) => ({ ...device, id: `n1/${index}` })),
});
const queue = (id: string, deserved: number, limit?: number): Row =>
  row('queue', id, 'open', {
    deserved: { devices: deserved },
    limit: limit === undefined ? {} : { devices: limit },
    weight: 1,
    priority: 0,
  });
/** Holds one device of the queue `training`. */
const job = (index: number): Row =>
  row(
    'job',
    `job-${index}`,
    'running',
    {
      queueId: 'training',
      queue: 'training',
      user: 'u',
      job: jobSpecSchema.parse({ command: 'train', resources: { cpu: 1, memory: 2 ** 30, gpu: 1 } }),
    },
    {
      status: {
        userRetriesUsed: 0,
        platformRestarts: 0,
        attempts: [
          {
            id: `att-${index}`,
            epoch: 1,
            state: 'running',
            placedAt: at,
            placement: [{ rank: 0, node: 'n1', devices: [`n1/${index}`] }],
          },
        ],
      },
    },
  );

/** What the scheduler does when an endpoint of the queue `serving` that has nothing is scaled to `replicas`. */
function scaledUp(replicas: number, queues: readonly Row[], jobs: readonly Row[]) {
  const spec = {
    revision: 1,
    model: 'lm@1',
    modelVersionId: 'mv',
    replicas: 1,
    slots: 4,
    user: 'u',
    queue: 'serving',
    queueId: 'serving',
    resources: { cpu: 1, memory: 2 ** 30, gpu: 1 },
    scaling: {
      min: 0,
      max: 8,
      target: { concurrency: 4 },
      policy: 'reactive',
      idleSeconds: 60,
      scaleDownSeconds: 60,
    },
  } satisfies EndpointSpecRecord;
  const status: EndpointStatusRecord = { scale: { replicas, reason: 'load', observed: 9, at } };
  const endpoint = row('endpoint', 'chat', 'idle', spec, { status });
  const made = decideEndpoint(endpoint, []).create.map((wanted, index) => {
    const { kind, id, state, ...more } = newReplica(endpoint, wanted, nowMs + index);
    return row(kind, id, state, more.spec, more);
  });
  expect(made).toHaveLength(replicas);
  return settle({ nodes: [node], queues, jobs, replicas: made, endpoints: [endpoint] });
}

/** Plans and carries it out until nothing moves any more. */
function settle(rows: SnapshotRows) {
  const evicted: string[] = [];
  const placed: string[] = [];
  for (let { jobs, replicas } = rows; ;) {
    const { placements, evictions, waiting } = planCycle(buildSnapshot({ ...rows, jobs, replicas }, nowMs));
    if (placements.length + evictions.length === 0) return { evicted, placed, waiting };
    for (const { workloadId } of evictions) evicted.push(workloadId);
    for (const { workloadId } of placements) placed.push(workloadId);
    jobs = jobs.filter(({ id }) => !evicted.includes(id));
    replicas = replicas.map((replica) => {
      const place = placements.find(({ workloadId }) => workloadId === replica.id)?.members[0];
      if (place === undefined) return replica;
      const status = { restarts: 0, node: place.nodeId, devices: place.deviceIds };
      return { ...replica, state: 'starting', status };
    });
  }
}

it('borrows devices that its queue does not deserve while nobody else wants them', () => {
  const { placed, evicted } = scaledUp(3, [queue('serving', 1), queue('training', 3)], [job(0)]);
  expect([placed.length, evicted.length]).toEqual([3, 0]);
});

it('takes back from borrowers what its queue deserves, and no more', () => {
  const queues = [queue('serving', 2), queue('training', 2)];
  const { placed, evicted, waiting } = scaledUp(3, queues, [job(0), job(1), job(2), job(3)]);
  expect([placed.length, evicted.length, waiting.length]).toEqual([2, 2, 1]);
});

it('waits in its queue, and is told why, where the queue may not have more', () => {
  const { placed, waiting } = scaledUp(2, [queue('serving', 1, 1), queue('training', 3)], [job(0)]);
  expect(placed).toHaveLength(1);
  expect(waiting.map(({ reasons }) => reasons[0]?.code)).toEqual(['queue_limit']);
});
