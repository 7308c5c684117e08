import { jobSpecSchema } from '@gantry/contract';
import { createManualClock } from '@gantry/kit';
import type { NewRow } from '@gantry/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '../deps.ts';
import { evictReplica } from '../endpoints/evict-replica.ts';
import type { JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import { type MemoryStore, createMemoryStore } from '../testing/memory-store.ts';
import { evictWork, leaveDevices, leaveNode } from './evict-work.ts';

let store: MemoryStore;
let deps: Deps;
let stopped: string[];
let evicted: { id: string; reason: object }[];
beforeEach(() => {
  // Only the store and the clock are looked at.
  store = createMemoryStore();
  deps = { store, clock: createManualClock() } as unknown as Deps;
  stopped = [];
  evicted = [];
});
const runtime = {
  jobs: { stop: async (id: string) => void stopped.push(id) },
  endpoints: { evict: async (id: string, reason: object) => void evicted.push({ id, reason }) },
};

const job = (id: string, node: string, devices: readonly string[], state = 'running'): NewRow => ({
  kind: 'job',
  id,
  tenantId: 'ten',
  name: id,
  state,
  spec: {
    job: jobSpecSchema.parse({ command: 'true' }),
    user: 'ada',
    queueId: 'q',
    queue: 'default',
  } satisfies JobSpecRecord,
  status: {
    attempts: [
      {
        id: `att_${id}`,
        epoch: 1,
        state: 'running',
        placement: [{ rank: 0, node, devices }],
        masterPort: 1,
        placedAt: '2026-01-01T00:00:00Z',
      },
    ],
    userRetriesUsed: 0,
    platformRestarts: 0,
  } satisfies JobStatusRecord,
});
const replica = (id: string, node: string, devices: readonly string[], state = 'ready'): NewRow => ({
  kind: 'replica',
  id,
  tenantId: 'ten',
  name: id,
  state,
  parentId: 'ept',
  spec: {},
  status: { node, devices, restarts: 0 },
});
const put = (...rows: readonly NewRow[]) =>
  deps.store.tx({ platform: true }, async (tx) => {
    for (const row of rows) await tx.insert(row);
  });

describe('work leaves', () => {
  it('a machine that is drained: its jobs and its replicas, nobody else', async () => {
    await put(job('here', 'n1', []), job('there', 'n2', []), job('over', 'n1', [], 'succeeded'));
    await put(replica('r1', 'n1', []), replica('r2', 'n2', []), replica('r3', 'n1', [], 'draining'));
    await evictWork(deps, runtime, leaveNode('n1', 'alpha'));
    expect(stopped).toEqual(['here']);
    expect(evicted).toEqual([{ id: 'r1', reason: { node: 'alpha', code: 'node_drained' } }]);
    const row = await deps.store.read({ platform: true }, (tx) => tx.get('job', 'here'));
    expect(row).toMatchObject({ state: 'stopping', status: { attempts: [{ stopReason: 'node_drained' }] } });
  });

  it('a sick device, and leaves its neighbours alone', async () => {
    await put(job('sick', 'n1', ['a', 'b']), job('well', 'n1', ['c']));
    await put(replica('r1', 'n1', ['b']), replica('r2', 'n1', ['d']));
    await evictWork(deps, runtime, leaveDevices(['b']));
    expect(stopped).toEqual(['sick']);
    expect(evicted).toEqual([{ id: 'r1', reason: { device: 'b', code: 'device_unhealthy' } }]);
  });
});

it('an evicted replica drains and says why, once', async () => {
  await put(replica('r1', 'n1', []));
  const reason = { node: 'alpha' };
  const first = await deps.store.tx({ platform: true }, (tx) => evictReplica(tx, 'r1', reason));
  expect(first?.state).toBe('draining');
  expect(await deps.store.tx({ platform: true }, (tx) => evictReplica(tx, 'r1', reason))).toBeUndefined();
  expect(store.events).toMatchObject([
    { type: 'replica.evicted', fromState: 'ready', toState: 'draining', reason },
  ]);
});
