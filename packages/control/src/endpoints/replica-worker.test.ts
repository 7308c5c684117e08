import type { Row } from '@gantry/ports';
import { expect, test } from 'vitest';
import type { Deps } from '../deps.ts';
import { createMemoryStore } from '../testing/memory-store.ts';
import { replicaWorker } from './replica-worker.ts';

const devices = [
  { id: 'GPU-a', kind: 'nvidia', model: 'A100', memoryBytes: 1, healthy: true, index: 0 },
  { id: 'GPU-b', kind: 'nvidia', model: 'A100', memoryBytes: 1, healthy: true, index: 1 },
  { id: 'MIG-c', kind: 'nvidia', model: 'A100', memoryBytes: 1, healthy: true, profile: '1g.10gb' },
  { id: 'cpu-0', kind: 'cpu', model: 'x86', memoryBytes: 1, healthy: true },
];

test.each([
  ['whole ones', 1, ['GPU-b'], { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: '1' }],
  ['a slice', 1, ['MIG-c'], { CUDA_VISIBLE_DEVICES: 'MIG-c' }],
  ['a part of one', 0.25, ['GPU-a'], { CUDA_VISIBLE_DEVICES: '0', GANTRY_GPU_SHARE: '0.25' }],
  ['none', 0, ['cpu-0'], {}],
])('an engine sees the devices it was given and no others: %s', async (_, gpu, given, expected) => {
  const store = createMemoryStore();
  await store.tx({ platform: true }, (tx) =>
    tx.insert({
      kind: 'node',
      id: 'n1',
      tenantId: 't',
      name: 'n1',
      state: 'ready',
      spec: { devices },
      status: {},
    }),
  );
  const places = {
    workerDir: (id: string) => `/w/${id}`,
    runDir: (id: string) => `/r/${id}`,
    modelDir: String,
  };
  const replica = {
    id: 'rep_1',
    spec: { resources: { cpu: 1, memory: 1, gpu } },
    status: { node: 'n1', devices: given, restarts: 0 },
  } as unknown as Row;
  const { env } = await replicaWorker({ store, places } as unknown as Deps, replica, {
    workerId: 'w1',
    specFile: 's',
    command: [],
    pids: 1,
    modelVersionIds: [],
  });
  expect(env).toMatchObject(expected);
  if (given[0] === 'cpu-0') expect(env).not.toHaveProperty('CUDA_VISIBLE_DEVICES');
});
