/** A replica that is a gang over two machines: placed by the live scheduler, started rank by rank. */
import { shardedEngineSchema } from '@gantry/contract';
import { createManualClock } from '@gantry/kit';
import type { Row, WorkerSpec } from '@gantry/ports';
import { expect, it } from 'vitest';
import type { Deps } from '../deps.ts';
import { createHub } from '../hub.ts';
import { createScheduler } from '../scheduling/scheduler.ts';
import { GIB, insertMachines, insertQueue, tenantId } from '../testing/cluster-rows.ts';
import { createMemoryStore } from '../testing/memory-store.ts';
import type { ReplicaStatusRecord } from './endpoint-record.ts';
import { startEngine } from './start-engine.ts';

const address = { n1: '10.0.0.1', n2: '10.0.0.2' } as const;
const engine = shardedEngineSchema.parse({ kind: 'vllm', tensor: 4, pipeline: 2, ranks: 2 });
const row = { tenantId, status: {} };

/** Two machines of four devices, and replicas of eight. */
async function platform(replicas: readonly string[]) {
  const store = createMemoryStore();
  const started: WorkerSpec[] = [];
  let port = 20_000;
  const deps = {
    store,
    clock: createManualClock(1_000_000),
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    runner: { start: async (spec: WorkerSpec) => void started.push(spec) },
    places: {
      freePort: async () => port++,
      materialiseModel: async () => '/models/llama/model.gguf',
      prepareAttempt: async () => ({ specFile: '/spec.json' }),
      engineOrigin: async () => undefined,
      announceEngine: async () => undefined,
      workerDir: (id: string) => `/w/${id}`,
      runDir: (id: string) => `/r/${id}`,
      modelDir: String,
    },
  } as unknown as Deps;
  await store.tx({ platform: true }, async (tx) => {
    const machines = (['n1', 'n2'] as const).map((name) => {
      const network = { interfaces: [{ name: 'ib0', addresses: [address[name]] }], rdma: [] };
      return { name, address: address[name], facts: { network } };
    });
    await insertMachines(tx, machines, 4);
    await insertQueue(tx);
    const files = [{ path: 'model.gguf', digest: 'd', bytes: 1 }];
    await tx.insert({
      ...row,
      kind: 'model-version',
      id: 'mv_1',
      name: 'llama@1',
      state: 'ready',
      spec: { files },
    });
    const revision = { revision: 1, model: 'llama@1', modelVersionId: 'mv_1', slots: 4, engine };
    const spec = { ...revision, resources: { cpu: 8, memory: GIB, gpu: 4 } };
    const endpoint = { ...spec, queue: 'default', queueId: 'que_1', user: 'ada', replicas: replicas.length };
    await tx.insert({
      ...row,
      kind: 'endpoint',
      id: 'ept_1',
      name: 'chat',
      state: 'deploying',
      spec: endpoint,
    });
    for (const id of replicas)
      await tx.insert({
        ...row,
        kind: 'replica',
        id,
        name: id,
        state: 'queued',
        parentId: 'ept_1',
        spec,
        status: { restarts: 0 },
      });
  });
  const replica = (id: string) =>
    store.read({ platform: true }, (tx) => tx.get('replica', id)) as Promise<Row>;
  return { deps, store, started, replica };
}

it('takes both machines or none, and starts each rank with its devices and the way to the first', async () => {
  const { deps, replica, started } = await platform(['rpl_a', 'rpl_b']);
  await using scheduler = createScheduler(
    deps,
    createHub(),
    { jobs: {} as never, ensureReplica: async () => undefined },
    {},
  );
  scheduler.poke();
  await scheduler.idle();
  const placed = await replica('rpl_a');
  const status = placed.status as ReplicaStatusRecord;
  expect([placed.state, status.otherRanks?.length]).toEqual(['starting', 1]);
  expect(new Set([status.node, status.otherRanks?.[0]?.node])).toEqual(new Set(['n1', 'n2']));
  // No half of the other one is placed: its devices would wait for each other.
  expect((await replica('rpl_b')).state).toBe('queued');

  await startEngine(deps, placed, status.workerId ?? '');
  expect(started.map(({ workerId, rank }) => [workerId, rank])).toEqual([
    [status.workerId, 0],
    [`${status.workerId}-1`, 1],
  ]);
  const first = address[status.node as keyof typeof address];
  for (const [rank, { command, env, limits }] of started.entries()) {
    const line = command.join(' ');
    expect(line).toContain(
      `--nnodes 2 --node-rank ${rank} --master-addr ${first} --master-port ${status.masterPort}`,
    );
    expect(line.includes('--headless')).toBe(rank === 1);
    expect(env).toMatchObject({ CUDA_VISIBLE_DEVICES: '0,1,2,3', NCCL_SOCKET_IFNAME: 'ib0' });
    expect(limits).toMatchObject({ cpuMilli: 8_000, memoryBytes: GIB });
  }
  expect(new Set(started.map(({ env }) => env['VLLM_HOST_IP']))).toEqual(new Set(Object.values(address)));
});
