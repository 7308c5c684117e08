/** Tensor models on the real platform, through the gateway: what an endpoint may ask of its engine, and what is seen of it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoint, EndpointCreateInput } from '@gantry/contract';
import { sumModel } from '@gantry/engines/testing/tensor-models';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from './testing/memory-server.ts';

let home: MemoryServer;
let models: string;
const resources = { cpu: 0.25, memory: 256 * 1024 ** 2 };

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gantry-tensors-'));
  home = await startMemoryServer();
  const folder = join(models, 'sum');
  await mkdir(join(folder, 'warm'), { recursive: true });
  await writeFile(join(folder, 'model.onnx'), sumModel());
  await writeFile(join(folder, 'warm', 'x.bin'), new Uint8Array(Float32Array.of(1, 2).buffer));
  await home.operator.call('models.import', { body: { name: 'sum', path: folder } });
});

afterAll(async () => {
  for (const { name } of (await home.operator.call('endpoints.list', {})).items)
    await home.operator.call('endpoints.delete', { params: { name } });
  const { runner } = home.server.platform.deps;
  await until(async () => (await runner.list()).every(({ state }) => state !== 'running'));
  await home[Symbol.asyncDispose]();
  await rm(models, { recursive: true, force: true });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(50);
}

async function serve(
  name: string,
  more: Partial<EndpointCreateInput>,
  is: (endpoint: Endpoint) => boolean = ({ state }) => state === 'ready',
): Promise<Endpoint> {
  await home.operator.call('endpoints.create', { body: { name, model: 'sum@1', resources, ...more } });
  for (;;) {
    const endpoint = await home.operator.call('endpoints.get', { params: { name } });
    if (is(endpoint)) return endpoint;
    await delay(50);
  }
}

test('a replica is ready once its warm-up requests were computed, and says which one it could not', async () => {
  const warmUp = [
    { name: 'small', inputs: { x: { file: 'warm/x.bin', shape: [2] } } },
    { name: 'large', rows: 16, count: 2, inputs: { x: { fill: 'random' as const, seed: 3, shape: [64] } } },
  ];
  const { warmUp: told, replicas } = await serve('warm', { warmUp, batching: { instances: 2 } });
  expect(told).toEqual([{ ...warmUp[0], rows: 1, count: 1 }, warmUp[1]]);
  expect(replicas[0]?.coldStart?.warmMs).toBeGreaterThan(0);
  const log = await home.ask('GET', '/api/v1/endpoints/warm/logs', { key: home.operatorKey });
  expect(log.text).toMatch(/warm-up "small": 1 rows, 1 times.*\n.*warm-up "large": 16 rows, 2 times/);

  const wrong = [{ name: 'misshapen', inputs: { x: { values: [1, 2, 3], shape: [2] } } }];
  const { reason } = await serve(
    'cold',
    { warmUp: wrong },
    (each) => each.reason?.includes('warm-up') === true,
  );
  expect(reason).toContain('The warm-up request "misshapen" failed: "x" has 3 values');
}, 120_000);
