/** Everything that is watched of a served language model, read off a live server: by its API and by its metrics. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endpointReady } from './e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from './testing/memory-server.ts';
import { type ExposedSample, parseExposition } from './testing/parse-exposition.ts';

let home: MemoryServer;
let models: string;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gantry-watching-'));
  home = await startMemoryServer();
  const path = join(models, 'lm.gguf');
  await writePermutationModel(path, { seed: 1 });
  await home.operator.call('models.import', { body: { name: 'lm', path } });
});

afterAll(async () => {
  await home.deleteEndpoints();
  await home[Symbol.asyncDispose]();
  await rm(models, { recursive: true, force: true });
});

const prompt = Array.from({ length: 24 }, (_, at) => String(at % 10)).join('');
const maxTokens = 6;
/** Reads a stream to its end. */
async function stream(): Promise<number> {
  const response = await fetch(`${home.server.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${home.operatorKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', prompt, temperature: 0, max_tokens: maxTokens, stream: true }),
  });
  await response.text();
  return response.status;
}

test('an endpoint tells what it was asked, how it answered, what that took and cost, by version and replica', async () => {
  const made = { name: 'chat', model: 'lm@1', resources: { cpu: 0.25, memory: 256 * 1024 ** 2 } };
  await home.operator.call('endpoints.create', { body: { ...made, latencyObjectiveMs: 600_000 } });
  await endpointReady(home.operator, 'chat');
  const asked = 4;
  // One after the other, so that the later find the first one's prompt in memory.
  for (let request = 0; request < asked; request++) expect(await stream()).toBe(200);

  const stats = await home.operator.call('endpoints.stats', { params: { name: 'chat' } });
  const quantiles = { p50: expect.any(Number), p95: expect.any(Number), p99: expect.any(Number) };
  const counted = {
    requests: asked,
    errors: 0,
    completionTokens: asked * maxTokens,
    requestMs: quantiles,
    ttftMs: quantiles,
    interTokenMs: quantiles,
    costPerThousandRequests: expect.any(Number) as number,
    costPerThousandTokens: expect.any(Number) as number,
  };
  expect(stats.arrivals.reduce((sum, each) => sum + each, 0)).toBe(asked);
  expect(stats.queriesPerSecond).toBeGreaterThan(0);
  expect(stats.revisions).toMatchObject([
    { ...counted, revision: 'chat-1', model: 'lm@1', availability: 1, goodput: 1 },
  ]);
  const [revision] = stats.revisions;
  expect(revision?.promptTokens).toBeGreaterThan(0);
  expect(revision?.cachedTokens).toBeGreaterThan(0);
  expect(revision?.cacheHitShare).toBeCloseTo((revision?.cachedTokens ?? 0) / (revision?.promptTokens ?? 1));
  expect(stats.replicas).toMatchObject([
    {
      ...counted,
      costPerHour: expect.any(Number) as number,
      cpuPercent: expect.any(Number) as number,
      memoryPercent: expect.any(Number) as number,
      engine: {
        queued: 0,
        steps: expect.any(Number) as number,
        kvTokensUsed: expect.any(Number) as number,
        kvTokensTotal: expect.any(Number) as number,
      },
    },
  ]);

  const metrics = parseExposition((await home.ask('GET', '/metrics', { key: home.operatorKey })).text);
  const revisionLabels = { model: 'chat', revision: 'chat-1', version: 'lm@1' };
  const of = (name: string): ExposedSample | undefined =>
    metrics.get(name)?.samples.find(({ labels }) => labels['model'] === 'chat');
  for (const [name, value] of Object.entries({
    gantry_gateway_requests_total: asked,
    gantry_gateway_completion_tokens_total: asked * maxTokens,
    gantry_gateway_prompt_tokens_total: revision?.promptTokens,
    gantry_gateway_cached_tokens_total: revision?.cachedTokens,
    gantry_gateway_objective_good_total: asked,
    gantry_gateway_objective_requests_total: asked,
    gantry_gateway_token_cost_total: ((revision?.costPerThousandRequests ?? NaN) * asked) / 1_000,
  })) {
    const sample = of(name);
    expect([name, sample?.labels]).toEqual([name, expect.objectContaining(revisionLabels)]);
    expect([name, sample?.value]).toEqual([name, expect.closeTo(value ?? NaN, 9)]);
  }
  for (const name of ['request', 'ttft', 'inter_token'])
    for (const family of [`gantry_gateway_${name}_seconds`, `gantry_gateway_replica_${name}_seconds`])
      expect([family, metrics.get(family)?.type]).toEqual([family, 'histogram']);
  for (const name of [
    'queued',
    'running',
    'batches_total',
    'batch_rows_total',
    'kv_tokens_used',
    'kv_tokens',
  ])
    expect([name, of(`gantry_replica_${name}`)?.labels]).toEqual([
      name,
      expect.objectContaining({ ...revisionLabels, replica: stats.replicas[0]?.id }),
    ]);
  for (const name of ['cpu_ratio', 'memory_ratio', 'cost_per_hour'])
    expect([name, of(`gantry_replica_${name}`)?.value]).toEqual([name, expect.any(Number)]);
}, 120_000);
