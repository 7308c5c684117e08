/** From what inventory sees of a divided GPU, and from parts that jobs ask for, to who gets what of a device. */
import { endpointCreate, jobSpecSchema } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import { planCycle, type Workload } from '@gantry/scheduling';
import { expect, test } from 'vitest';
import type { DeviceRecord } from '../nodes/node-record.ts';
import { buildSnapshot, jobRequest, toReplicaWorkload } from './build-snapshot.ts';

const device = (id: string, more: Partial<DeviceRecord> = {}): DeviceRecord => ({
  id,
  kind: 'nvidia',
  model: 'A100',
  memoryBytes: 40 * 2 ** 30,
  healthy: true,
  ...more,
});

const row = (kind: Row['kind'], id: string, spec: object): Row => ({
  kind,
  id,
  tenantId: 'tnt_1',
  name: id,
  state: 'ready',
  parentId: undefined,
  version: 1,
  spec,
  status: {},
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
});

const snapshotOf = (...devices: DeviceRecord[]): ReturnType<typeof buildSnapshot> =>
  buildSnapshot(
    {
      nodes: [
        row('node', 'n1', {
          cpuMilli: 8000,
          memoryBytes: 2 ** 36,
          storageBytes: 2 ** 40,
          labels: {},
          topology: ['n1'],
          address: '127.0.0.1',
          devices,
          facts: {},
        }),
      ],
      queues: [row('queue', 'q1', { deserved: {}, limit: {}, weight: 1, priority: 0 })],
      jobs: [],
      replicas: [],
      endpoints: [],
    },
    0,
  );

const asks = (deviceProfile?: string): Workload => ({
  id: 'job',
  queueId: 'q1',
  tenantId: 'tnt_1',
  priority: 0,
  createdAtMs: 0,
  preemptible: true,
  state: 'pending',
  taskGroups: [
    {
      name: 'rank',
      count: 1,
      minCount: 1,
      request: {
        cpuMilli: 1000,
        memoryBytes: 1,
        storageBytes: 0,
        devices: 1,
        deviceMilli: 0,
        ...(deviceProfile === undefined ? {} : { deviceProfile }),
      },
    },
  ],
});

const sliced = [
  device('GPU-a', { migEnabled: true }),
  device('MIG-1', { migEnabled: true, profile: '3g.20gb' }),
  device('MIG-2', { migEnabled: true, profile: '1g.5gb' }),
];

test('slices go to who names their profile; the divided GPU itself to nobody', () => {
  const given = (deviceProfile?: string): string | undefined =>
    planCycle({ ...snapshotOf(...sliced), workloads: [asks(deviceProfile)] }).placements[0]?.members[0]
      ?.deviceIds[0];
  expect(given('1g.5gb')).toBe('MIG-2');
  expect(given('3g.20gb')).toBe('MIG-1');
  expect(given()).toBeUndefined();
});

test('who asks for a whole GPU where all are divided is told that there is none, not to wait', () => {
  const { waiting } = planCycle({ ...snapshotOf(...sliced), workloads: [asks()] });
  expect(waiting[0]!.reasons[0]).toMatchObject({ tier: 'misconfigured', code: 'unsatisfiable_request' });
});

test('a job names its profile and says how many slices; without a number it is refused, not run on the CPU', () => {
  const spec = (resources: object): unknown =>
    jobSpecSchema.safeParse({ command: 'true', resources }).error?.issues[0]?.message;
  expect(spec({ gpu: 1, gpuProfile: '1g.5gb' })).toBeUndefined();
  expect(spec({ gpuProfile: '1g.5gb' })).toBe('says which slices: say with `gpu` how many');
  const asked = jobRequest(
    {
      id: 'job',
      tenantId: 'tnt_1',
      queueId: 'q1',
      createdAtMs: 0,
      spec: jobSpecSchema.parse({ command: 'true', resources: { gpu: 2, gpuProfile: '1g.5gb' } }),
    },
    new Map(),
  );
  expect(asked.taskGroups[0]!.request).toMatchObject({ devices: 2, deviceProfile: '1g.5gb' });
});

test('parts of a device are packed onto one, each with its memory, and a whole device stays free', () => {
  const parts = (id: string, gpu: number, gpuMemory?: string): Workload =>
    jobRequest(
      {
        id,
        tenantId: 'tnt_1',
        queueId: 'q1',
        createdAtMs: 0,
        spec: jobSpecSchema.parse({
          command: 'true',
          resources: { gpu, ...(gpuMemory === undefined ? {} : { gpuMemory }) },
        }),
      },
      new Map(),
    );
  const { placements, waiting } = planCycle({
    ...snapshotOf(device('GPU-a'), device('GPU-b')),
    workloads: [
      parts('half', 0.5, '10GiB'),
      parts('quarter', 0.25, '10GiB'),
      parts('whole', 1),
      parts('yet-more', 0.25, '30GiB'),
    ],
  });
  const held = Object.fromEntries(
    placements.map(({ workloadId, members }) => [workloadId, members[0]?.deviceIds[0]]),
  );
  expect(Object.keys(held).toSorted()).toEqual(['half', 'quarter', 'whole']);
  expect(held['half']).toBe(held['quarter']);
  expect(held['whole']).not.toBe(held['half']);
  expect(waiting.map(({ workloadId }) => workloadId)).toEqual(['yet-more']);
});

test('a part of a device is below one and in thousandths', () => {
  const isTaken = (gpu: number): boolean =>
    jobSpecSchema.safeParse({ command: 'true', resources: { gpu } }).success;
  expect([0, 0.001, 0.1, 0.3, 0.999, 1, 8].map(isTaken)).not.toContain(false);
  expect([1.5, 0.0005, 0.12345, -1].map(isTaken)).not.toContain(true);
});

test('replicas ask for slices, models, parts and memory of devices as jobs do', () => {
  const requestOf = (resources: object): Workload['taskGroups'][number]['request'] | undefined => {
    const spec = endpointCreate.parse({ name: 'e', model: 'm', resources });
    const revision = { revision: 1, model: 'm', modelVersionId: 'mv_1' };
    const replica = row('replica', 'r1', { ...revision, slots: 1, resources: spec.resources });
    const endpoint = row('endpoint', 'e1', { ...revision, queueId: 'q1', resources: spec.resources });
    return toReplicaWorkload({ ...replica, state: 'queued' }, endpoint, new Map()).taskGroups[0]?.request;
  };
  expect(requestOf({ gpu: 1, gpuProfile: '1g.5gb' })).toMatchObject({ devices: 1, deviceProfile: '1g.5gb' });
  expect(requestOf({ gpu: 0.25, gpuMemory: '10GiB' })).toMatchObject({
    devices: 0,
    deviceMilli: 250,
    deviceMemoryBytes: 10 * 2 ** 30,
  });
  expect(requestOf({ gpu: 2, gpuModel: 'H100' })).toMatchObject({ devices: 2, deviceModel: 'H100' });
  expect(requestOf({})).not.toHaveProperty('deviceModel');
});
