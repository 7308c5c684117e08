/** Served models on the real platform: rollouts that decide themselves, scaling to zero, limits, budgets, walls. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Endpoint } from '@gantry/contract';
import {
  answerAfter,
  skippingAnswerAfter,
  writePermutationFolder,
  writePermutationModel,
  writeSkippingAdapter,
} from '@gantry/engines/testing';
import { sumModel } from '@gantry/engines/testing/tensor-models';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { endpointReady, endpointWhen } from './e2e/testing/follow.ts';
import { type Answer, type MemoryServer, startMemoryServer } from './testing/memory-server.ts';

let home: MemoryServer;
let models: string;
let strangerKey: string;
const resources = { cpu: 0.25, memory: 256 * 1024 ** 2, gpu: 0 };

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gantry-serving-'));
  home = await startMemoryServer();
  for (const seed of [1, 2]) {
    const path = join(models, `v${seed}.gguf`);
    await writePermutationModel(path, { seed });
    await home.operator.call('models.import', { body: { name: 'lm', path } });
  }
  await home.operator.call('tenants.create', { body: { name: 'elsewhere' } });
  strangerKey = await home.keyOf('elsewhere', 'stranger', 'admin');
});

afterAll(async () => {
  await home.deleteEndpoints();
  await home[Symbol.asyncDispose]();
  await rm(models, { recursive: true, force: true });
});

const ask = (model: string, headers: Record<string, string> = {}, key = home.operatorKey): Promise<Answer> =>
  home.ask('POST', '/v1/completions', {
    key,
    headers,
    body: { model, prompt: '8', temperature: 0, max_tokens: 5 },
  });
const eventsOf = async (type: string) =>
  (await home.operator.call('events.list', { query: { limit: 500 } })).items.filter(
    (event) => event.type === type,
  );

describe('serving', () => {
  test('an adapter is chosen after the colon of the name; safetensors are served by the paged decoder', async () => {
    await writeSkippingAdapter(join(models, 'skip.gguf'), { seed: 1 });
    await home.operator.call('models.import', { body: { name: 'skip', path: join(models, 'skip.gguf') } });
    await writePermutationFolder(join(models, 'folder'), { seed: 1 });
    await home.operator.call('models.import', { body: { name: 'folder', path: join(models, 'folder') } });
    const adapters = [{ name: 'skip', model: 'skip' }];
    await home.operator.call('endpoints.create', {
      body: { name: 'tuned', model: 'lm@1', resources, adapters },
    });
    const speculation = { method: 'draft', model: 'lm@1' } as const;
    await home.operator.call('endpoints.create', {
      body: { name: 'paged', model: 'folder', resources, speculation, adapters },
    });
    for (const name of ['tuned', 'paged']) {
      const { replicas } = await endpointReady(home.operator, name);
      const { id, name: nodeName } = (await home.operator.call('nodes.list', {})).items[0]!;
      expect(replicas).toMatchObject([{ node: id, nodeName }]);
    }
    const texts = await Promise.all(
      ['tuned', 'tuned:skip', 'paged', 'paged:skip'].map(
        async (model) => (await ask(model)).body.choices[0].text as string,
      ),
    );
    const answers = [answerAfter('8'), skippingAnswerAfter('8')];
    expect(texts).toEqual([...answers, ...answers]);
    for (const model of ['tuned:other', 'paged:other']) expect((await ask(model)).status).toBe(404);
    const refused = (body: object) =>
      home.operator.call('endpoints.create', { body: { name: 'no', resources, ...body } as never });
    // A draft is a GGUF, whoever checks it.
    const foreign = { method: 'draft', model: 'folder' };
    await expect(refused({ model: 'lm@1', speculation: foreign })).rejects.toMatchObject({
      code: 'validation_failed',
    });
    await expect(refused({ model: 'lm@1', decoder: 'paged' })).rejects.toMatchObject({
      code: 'validation_failed',
      message: expect.stringContaining('for the paged decoder') as string,
    });
    for (const name of ['tuned', 'paged']) await home.operator.call('endpoints.delete', { params: { name } });
  });

  test('a canary takes its share and is promoted by its numbers; one command takes it back', async () => {
    // However loaded this machine is, no answer counts as slow: what is tested is not its speed.
    await home.operator.call('endpoints.create', {
      body: { name: 'chat', model: 'lm@1', resources, latencyObjectiveMs: 600_000 },
    });
    await endpointReady(home.operator, 'chat');
    expect((await ask('chat')).body.choices[0].text).toBe(answerAfter('8'));

    const rolling = await home.operator.call('endpoints.rollout', {
      params: { name: 'chat' },
      body: { to: 'lm@2', percent: 50, minPairs: 10 },
    });
    expect(rolling.rollout).toMatchObject({ model: 'lm@2', percent: 50, mode: 'canary', verdict: 'wait' });
    await endpointWhen(home.operator, 'chat', ({ replicas }) =>
      replicas.some(({ revision, state }) => revision === 'chat-2' && state === 'ready'),
    );
    const pinned = await ask('chat', { 'x-gantry-revision': 'lm@2' });
    expect(pinned.headers.get('x-gantry-revision')).toBe('chat-2');

    const seen = new Map<string, number>();
    const statuses = new Set<number>();
    let promoted: Endpoint | undefined;
    while (promoted === undefined) {
      const answers = await Promise.all(Array.from({ length: 16 }, () => ask('chat')));
      for (const { status, headers } of answers) {
        statuses.add(status);
        const revision = headers.get('x-gantry-revision') ?? '';
        seen.set(revision, (seen.get(revision) ?? 0) + 1);
      }
      const now = await home.operator.call('endpoints.get', { params: { name: 'chat' } });
      if (now.rollout === undefined) promoted = now;
    }
    expect([...statuses]).toEqual([200]);
    expect(seen.get('chat-1')).toBeGreaterThan(0);
    expect(seen.get('chat-2')).toBeGreaterThan(0);
    expect(promoted).toMatchObject({ model: 'lm@2', revision: 'chat-2', previousModel: 'lm@1' });
    const [event] = await eventsOf('endpoint.promoted');
    expect(event).toMatchObject({ actor: 'rollout', reason: { decidedBy: 'sequential test' } });
    expect(JSON.stringify(event?.reason)).toContain('withinMarginPValue');

    const stats = await home.operator.call('endpoints.stats', { params: { name: 'chat' } });
    expect(stats.revisions.map(({ revision }) => revision).sort()).toEqual(['chat-1', 'chat-2']);
    expect(stats.revisions.every(({ errors, requestMs }) => errors === 0 && requestMs !== undefined)).toBe(
      true,
    );
    const back = await home.operator.call('endpoints.rollback', { params: { name: 'chat' } });
    expect(back).toMatchObject({ model: 'lm@1', revision: 'chat-3' });
    expect((await ask('chat')).status).toBe(200);
  });

  test('goes to zero when nobody asks; the next request is held until a replica answers', async () => {
    await home.operator.call('endpoints.create', {
      body: {
        name: 'sleepy',
        model: 'lm@1',
        resources,
        scaling: { min: 0, max: 2, idleSeconds: 1, scaleDownSeconds: 1 },
      },
    });
    await endpointWhen(home.operator, 'sleepy', ({ state }) => state === 'idle');
    await endpointWhen(home.operator, 'sleepy', ({ replicas }) => replicas.length === 0);
    const answer = await ask('sleepy');
    expect(answer.status).toBe(200);
    const reasons = (await eventsOf('endpoint.autoscaled')).map(({ reason }) => reason);
    expect(reasons).toContainEqual(expect.objectContaining({ from: 1, to: 0, reason: 'idle' }));
    expect(reasons).toContainEqual(expect.objectContaining({ from: 0, to: 1, reason: 'wake' }));
    const ready = (await eventsOf('replica.ready'))[0];
    expect(ready?.reason).toMatchObject({ coldStart: { loadMs: expect.any(Number) } });
  });

  test('limits and budgets hold at the gateway and are an operator’s to set', async () => {
    const limited = await home.keyOf('default', 'lima', 'member');
    await home.operator.call('endpoints.create', {
      body: { name: 'tight', model: 'lm@1', resources, limits: { requestsPerMinute: 2 } },
    });
    await endpointReady(home.operator, 'tight');
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask('tight')).status);
    expect(statuses).toEqual([200, 200, 429]);

    const refused = await home.ask('PUT', '/api/v1/limits', { key: limited, body: {} });
    expect(refused.status).toBe(403);
    const set = await home.ask('PUT', '/api/v1/limits', {
      key: home.operatorKey,
      body: { budget: { amount: 0, period: 'total' } },
    });
    expect(set.status).toBe(200);
    expect(set.body.spending.spent).toBeGreaterThan(0);
    const spent = await ask('chat', {}, limited);
    expect(spent.status).toBe(429);
    expect(spent.body.error.code).toBe('insufficient_quota');
    await home.operator.call('limits.set', { body: { keys: {} } });
    expect((await ask('chat', {}, limited)).status).toBe(200);
  });

  test('an imported ONNX model answers the Open Inference Protocol, its requests joined', async () => {
    const path = join(models, 'sum.onnx');
    await writeFile(path, sumModel({ columns: 2 }));
    await home.operator.call('models.import', { body: { name: 'sum', path } });
    await home.operator.call('endpoints.create', {
      body: { name: 'adder', model: 'sum@1', resources, batching: { maxBatchSize: 16, maxDelayMs: 200 } },
    });
    await endpointReady(home.operator, 'adder');
    const metadata = await home.ask('GET', '/v2/models/adder', { key: home.operatorKey });
    expect(metadata).toMatchObject({
      status: 200,
      body: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }] },
    });
    const infer = (row: readonly number[]): Promise<Answer> =>
      home.ask('POST', '/v2/models/adder/infer', {
        key: home.operatorKey,
        body: {
          inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: row }],
          outputs: [{ name: 'y' }],
        },
      });
    const answers = await Promise.all(Array.from({ length: 16 }, (_, at) => infer([at, 1])));
    expect(answers.map(({ status }) => status)).toEqual(Array(16).fill(200));
    expect(answers.map(({ body }) => body.outputs[0].data[0])).toEqual(answers.map((_, at) => 2 * (at + 1)));
    const wrong = await infer([1]);
    expect(wrong.status).toBe(400);
    expect(wrong.body.error).toContain('"x" has 1 value;');
    const { body: told } = await home.ask('GET', '/api/v1/endpoints/adder/stats', { key: home.operatorKey });
    expect(told.revisions[0]).toMatchObject({ availability: 1 });
    expect(told.replicas[0]).toMatchObject({
      engine: { requests: 16 },
      cpuPercent: expect.any(Number),
      memoryPercent: expect.any(Number),
    });
    expect(told.replicas[0].engine.batches).toBeLessThan(16);
    const shown = await home.ask('GET', '/api/v1/endpoints/adder', { key: home.operatorKey });
    expect(shown.body.batching).toMatchObject({ maxBatchSize: 16, maxDelayMs: 200 });
    const logs = await home.ask('GET', '/api/v1/endpoints/adder/logs', { key: home.operatorKey });
    expect(logs.status).toBe(200);
    const foreign = await home.ask('GET', '/v2/models/adder', { key: strangerKey });
    expect(foreign.status).toBe(404);
  });

  test('a replica whose files cannot be laid out ends with the reason, and serves once they can', async () => {
    const path = join(models, 'blocked.onnx');
    await writeFile(path, sumModel({ columns: 3 }));
    const { id } = await home.operator.call('models.import', { body: { name: 'blocked', path } });
    // Where its folder belongs lies something else, as little of use as a disk without room.
    const inTheWay = join(home.server.platform.dataDir, 'cache', id);
    await mkdir(dirname(inTheWay), { recursive: true });
    await writeFile(inTheWay, '');
    await home.operator.call('endpoints.create', {
      body: { name: 'blocked', model: 'blocked@1', resources },
    });
    await vi.waitFor(
      async () => {
        const { items } = await home.operator.call('events.list', { query: { limit: 200 } });
        expect(
          items.filter(({ type }) => type === 'replica.ended').map(({ reason }) => reason),
        ).toContainEqual({
          message: expect.stringContaining(id),
        });
      },
      { timeout: 60_000, interval: 50 },
    );
    await rm(inTheWay);
    await endpointReady(home.operator, 'blocked');
    await home.operator.call('endpoints.delete', { params: { name: 'blocked' } });
  });

  test('a server of one’s own is placed, awaited by its health path, asked by its own name, and stopped', async () => {
    const program = `
      const { createServer } = require('node:http');
      const { PORT, MODEL_NAME, MODEL_PATH } = process.env;
      createServer((request, response) => {
        if (request.url === '/alive') return response.end('yes');
        request.resume().on('end', () => {
          const text = MODEL_PATH.endsWith('.gguf') ? MODEL_NAME : 'no model';
          const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify({ object: 'text_completion', choices: [{ index: 0, text }], usage }));
        });
      }).listen(Number(process.argv[1]), '127.0.0.1');`;
    await home.operator.call('endpoints.create', {
      body: {
        name: 'own',
        model: 'lm@1',
        resources,
        server: {
          command: [process.execPath, '-e', program, '$PORT'],
          healthPath: '/alive',
          modelName: 'mine',
        },
      },
    });
    await endpointReady(home.operator, 'own');
    expect((await ask('own')).body.choices[0].text).toBe('mine');
    await home.operator.call('endpoints.update', { params: { name: 'own' }, body: { replicas: 0 } });
    await endpointWhen(home.operator, 'own', ({ replicas }) => replicas.length === 0);
  });

  test('a foreign tenant finds nothing of it', async () => {
    expect((await ask('chat', {}, strangerKey)).status).toBe(404);
    for (const [method, path] of [
      ['GET', '/api/v1/endpoints/chat'],
      ['GET', '/api/v1/endpoints/chat/stats'],
      ['POST', '/api/v1/endpoints/chat/promote'],
      ['POST', '/api/v1/endpoints/chat/rollback'],
    ] as const)
      expect((await home.ask(method, path, { key: strangerKey })).status).toBe(404);
    const { body } = await home.ask('GET', '/v1/models', { key: strangerKey });
    expect(body.data).toEqual([]);
  });
});
