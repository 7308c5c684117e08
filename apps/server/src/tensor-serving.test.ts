/** Tensor models on the real platform, through the gateway: what an endpoint may ask of its engine, and what is seen of it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint, EndpointCreateInput } from '@gantry/contract';
import { sumModel } from '@gantry/engines/testing/tensor-models';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endpointWhen } from './e2e/testing/follow.ts';
import { type Answer, type MemoryServer, startMemoryServer } from './testing/memory-server.ts';
import { type ExposedSample, parseExposition } from './testing/parse-exposition.ts';

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
  await home.deleteEndpoints();
  await home[Symbol.asyncDispose]();
  await rm(models, { recursive: true, force: true });
});

async function serve(
  name: string,
  more: Partial<EndpointCreateInput>,
  is: (endpoint: Endpoint) => boolean = ({ state }) => state === 'ready',
): Promise<Endpoint> {
  await home.operator.call('endpoints.create', { body: { name, model: 'sum@1', resources, ...more } });
  return endpointWhen(home.operator, name, is);
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
  expect(log.text).toMatch(/warm-up "small": 1 row, 1 time.*\n.*warm-up "large": 16 rows, 2 times/);

  const wrong = [{ name: 'misshapen', inputs: { x: { values: [1, 2, 3], shape: [2] } } }];
  const { reason } = await serve(
    'cold',
    { warmUp: wrong },
    (each) => each.reason?.includes('warm-up') === true,
  );
  expect(reason).toContain('The warm-up request "misshapen" failed: "x" has 3 values');
}, 120_000);

/** `/metrics` as `family{label} value`, of one endpoint. */
async function metricsOf(model: string): Promise<ReadonlyMap<string, readonly ExposedSample[]>> {
  const { text } = await home.ask('GET', '/metrics', { key: home.operatorKey });
  return new Map(
    [...parseExposition(text)].flatMap(([name, { samples }]) => {
      const own = samples.filter(({ labels }) => labels['model'] === model);
      return own.length === 0 ? [] : [[name, own] as const];
    }),
  );
}

const infer = (
  model: string,
  data: readonly (readonly number[])[],
  parameters: object = {},
): Promise<Answer> =>
  home.ask('POST', `/v2/models/${model}/infer`, {
    key: home.operatorKey,
    body: {
      parameters,
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [data.length, data[0]?.length ?? 0], data: data.flat() },
      ],
    },
  });

test('the knobs of the queue reach the engine: sizes to wait for, levels with limits of their own, lengths', async () => {
  const batching = {
    maxBatchSize: 8,
    preferredSizes: [3],
    // Nothing leaves before there are three of a length, unless its level says so.
    maxDelayMs: 10_000,
    priorityLevels: 2,
    defaultPriority: 2,
    levels: { 1: { timeoutMs: 1 }, 2: { maxQueueSize: 3 } },
    preserveOrder: true,
    lengths: [2, 4],
    overlong: 'refuse' as const,
  };
  expect((await serve('knobs', { batching })).batching).toEqual(batching);
  const urgent = await infer('knobs', [[1, 1]], { priority: 1 });
  expect([urgent.status, urgent.body.error]).toEqual([504, expect.stringContaining('waited longer')]);
  const long = await infer('knobs', [[1, 1, 1, 1, 1]]);
  expect([long.status, long.body.error]).toEqual([400, expect.stringContaining('A length of 5')]);
  const joined = await Promise.all([infer('knobs', [[1]]), infer('knobs', [[2, 2]]), infer('knobs', [[3]])]);
  expect(joined.map(({ body }) => body.outputs?.[0].data)).toEqual([[2], [8], [6]]);
  const { replicas } = await home.operator.call('endpoints.stats', { params: { name: 'knobs' } });
  const { timedOut = 0, lengthWaste = 0, ...engine } = replicas[0]?.engine ?? {};
  expect(engine).toMatchObject({ batches: 1, rows: 3, refused: 0, queued: 0, truncated: 0 });
  // The gateway asks again while it may.
  expect(timedOut).toBeGreaterThan(0);
  expect(lengthWaste).toBeGreaterThan(0);
}, 120_000);

test('what a replica does, holds and costs, and what drift is seen by, are metrics of bounded labels', async () => {
  await serve('watched', {});
  for (let at = 0; at < 3; at++)
    expect(
      (
        await infer('watched', [
          [at, 1],
          [at, 2],
        ])
      ).status,
    ).toBe(200);
  const { id } = await home.operator.call('endpoints.get', { params: { name: 'watched' } });
  // Three windows of requests as the gateway sketches them, the last about other values.
  for (let request = 0; request < 1_500; request++)
    home.server.platform.endpoints.observe({
      endpointId: id,
      revisionId: 'watched-1',
      sample: {
        numbers: { 'input.x.mean': (request % 17) + (request < 1_000 ? 0 : 20) },
        kinds: { outcome: 'answered' },
        isPartlyRead: request % 500 === 0,
      },
    });
  const { drift } = await home.operator.call('endpoints.stats', { params: { name: 'watched' } });
  expect(drift).toMatchObject([
    { revision: 'watched-1', window: 500, windows: 2, partlyRead: 3, featuresLeftOut: 0 },
  ]);
  expect(drift?.[0]?.features[0]).toMatchObject({
    feature: 'input.x.mean',
    hasDrifted: true,
    decidedBy: 'psi',
    threshold: 0.2,
    figures: { psi: expect.any(Number) as number, ks: expect.any(Number) as number },
  });
  const families = await metricsOf('watched');
  const value = (name: string, more: Readonly<Record<string, string>> = {}): number | undefined =>
    families
      .get(name)
      ?.find(({ labels }) => Object.entries(more).every(([key, each]) => labels[key] === each))?.value;
  expect(value('gantry_replica_batch_rows_total')).toBe(6);
  expect(value('gantry_replica_batches_total')).toBe(3);
  for (const name of ['queued', 'running', 'cpu_ratio', 'memory_ratio', 'cost_per_hour'])
    expect([name, value(`gantry_replica_${name}`)]).toEqual([name, expect.any(Number)]);
  expect(families.get('gantry_replica_queued')?.[0]?.labels).toEqual({
    tenant: expect.any(String) as string,
    model: 'watched',
    revision: 'watched-1',
    version: 'sum@1',
    replica: expect.stringMatching(/^rpl_/) as string,
  });
  const feature = 'input.x.mean';
  expect(value('gantry_endpoint_drifting', { feature })).toBe(1);
  expect(value('gantry_endpoint_drifting', { feature: 'outcome' })).toBe(0);
  expect(value('gantry_endpoint_drift', { feature, figure: 'psi' })).toBeGreaterThan(1);
  expect(value('gantry_endpoint_drift', { feature, figure: 'ks' })).toBeGreaterThan(0.9);
  expect(value('gantry_endpoint_drift_threshold', { feature, figure: 'psi' })).toBe(0.2);
  expect(value('gantry_endpoint_drift_p', { feature })).toBeLessThan(
    value('gantry_endpoint_drift_p_threshold') ?? 0,
  );
  expect(value('gantry_endpoint_drift_windows_total')).toBe(2);
  expect(value('gantry_endpoint_drift_partly_read_total')).toBe(3);
}, 120_000);
