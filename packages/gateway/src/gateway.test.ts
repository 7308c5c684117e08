import { describe, expect, it } from 'vitest';
import { completeWith, createFakeEngine, delta, startStream } from './testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, replicaAt, until } from './testing/gateway-harness.ts';

const chat = { model: 'chat', messages: [{ role: 'user', content: 'hi' }] };

async function errorOf(
  response: Response,
): Promise<{ status: number; code: string; type: string; param: string | null; message: string }> {
  const { error } = (await response.json()) as {
    error: { code: string; type: string; param: string | null; message: string };
  };
  return { status: response.status, ...error };
}

describe('gateway', () => {
  it('relays an answer and meters its tokens', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const response = await harness.post('/v1/chat/completions', chat);
    expect(response.status).toBe(200);
    const body = (await response.json()) as { choices: { message: { content: string } }[] };
    expect(body.choices[0]?.message.content).toBe('Hello world');
    expect(harness.meter).toEqual([
      expect.objectContaining({
        id: response.headers.get('x-request-id'),
        tenantId: 'acme',
        principalId: 'user-of-acme',
        endpointId: 'ep-chat',
        revisionId: 'r1',
        promptTokens: 5,
        completionTokens: 2,
        cachedTokens: 2,
        status: 200,
        isEstimated: false,
      }),
    ]);
    expect(engine.received[0]?.headers.authorization).toBeUndefined();
  });

  it('streams frame by frame, counts usage and keeps the frame that the client did not ask for', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const text = await (await harness.post('/v1/chat/completions', { ...chat, stream: true })).text();
    expect(text).toContain('Hello');
    expect(text).not.toContain('usage');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(engine.received[0]?.body['stream_options']).toEqual({ include_usage: true });
    expect(harness.meter).toMatchObject([
      { promptTokens: 5, completionTokens: 2, cachedTokens: 2, isEstimated: false },
    ]);

    const asked = await harness.post('/v1/chat/completions', {
      ...chat,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(await asked.text()).toContain('"total_tokens":7');
  });

  it('refuses in the shape that OpenAI clients parse', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness({ maxBodyBytes: 1_000 });
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const path = '/v1/chat/completions';
    expect(await errorOf(await harness.post(path, chat, { key: 'sk-wrong' }))).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    expect(await errorOf(await harness.post(path, { ...chat, model: 'nope' }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
    expect(await errorOf(await harness.post(path, '{"model":'))).toMatchObject({
      status: 400,
      code: 'invalid_json',
    });
    expect(await errorOf(await harness.post(path, '[]'))).toMatchObject({
      status: 400,
      code: 'invalid_json',
    });
    expect(await errorOf(await harness.post(path, { model: 'chat' }))).toMatchObject({
      status: 400,
      param: 'messages',
    });
    expect(await errorOf(await harness.post(path, { ...chat, max_tokens: -1 }))).toMatchObject({
      status: 400,
      param: 'max_tokens',
    });
    expect(await errorOf(await harness.post(path, { ...chat, filler: 'x'.repeat(2_000) }))).toMatchObject({
      status: 413,
      code: 'request_too_large',
    });
    expect(await errorOf(await harness.post('/v1/nothing', {}))).toMatchObject({
      status: 404,
      code: 'unknown_path',
    });
    expect(await errorOf(await fetch(`${harness.baseUrl}${path}`))).toMatchObject({ status: 401 });
    expect(engine.received).toHaveLength(0);
  });

  it('shows a tenant its own endpoints only', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const models = async (key: string, path = '') =>
      fetch(`${harness.baseUrl}/v1/models${path}`, { headers: { authorization: `Bearer ${key}` } });
    expect(await (await models('sk-acme')).json()).toEqual({
      object: 'list',
      data: [{ id: 'chat', object: 'model', created: 0, owned_by: 'gantry' }],
    });
    expect(await (await models('sk-zeta')).json()).toEqual({ object: 'list', data: [] });
    expect((await models('sk-acme', '/chat')).status).toBe(200);
    expect((await models('sk-zeta', '/chat')).status).toBe(404);
    expect((await harness.post('/v1/chat/completions', chat, { key: 'sk-zeta' })).status).toBe(404);
  });

  it('cancels the work behind a client that leaves', async () => {
    await using engine = await createFakeEngine((_received, response) => {
      startStream(response);
      response.write(delta('one'));
    });
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const leaving = new AbortController();
    const response = await harness.post(
      '/v1/chat/completions',
      { ...chat, stream: true },
      { signal: leaving.signal },
    );
    await response.body?.getReader().read();
    leaving.abort();
    await until(() => engine.cancelled() === 1 && harness.meter.length === 1);
    expect(harness.meter).toMatchObject([{ status: 499, completionTokens: 1, isEstimated: true }]);
    expect(harness.gateway.stats()).toMatchObject({
      inFlight: 0,
      replicas: [{ inFlight: 0, pendingTokens: 0 }],
    });
  });

  it('ends a stream whose engine crashed with an error frame and without [DONE]', async () => {
    await using engine = await createFakeEngine((_received, response) => {
      startStream(response);
      response.write(`${delta('one')}data: {"half`, () => response.destroy());
    });
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const text = await (await harness.post('/v1/chat/completions', { ...chat, stream: true })).text();
    expect(text).toContain('one');
    expect(text).not.toContain('half');
    expect(text).not.toContain('[DONE]');
    expect(text.trimEnd().split('\n').at(-1)).toContain('"code":"stream_interrupted"');
    expect(harness.meter).toMatchObject([{ status: 502, completionTokens: 1, isEstimated: true }]);
  });

  it('asks another replica while the client has seen nothing', async () => {
    await using broken = await createFakeEngine((_received, response) => {
      response.destroy();
    });
    await using healthy = await createFakeEngine(completeWith(['fine']));
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(broken, healthy)]);
    const answers = await Promise.all(
      [1, 2, 3, 4].map(async () => (await harness.post('/v1/chat/completions', chat)).status),
    );
    expect(answers).toEqual([200, 200, 200, 200]);
    expect(broken.received.length).toBeGreaterThan(0);
  });

  it('holds a request until a replica is ready and wakes the endpoint', async () => {
    await using engine = await createFakeEngine();
    const woken: string[] = [];
    await using harness = await createGatewayHarness({
      wake: (_tenantId, endpointId) => woken.push(endpointId),
    });
    const asleep = { ...chatRoute(), revisions: [] };
    harness.gateway.setRoutes('acme', [asleep]);
    const answer = harness.post('/v1/chat/completions', chat);
    await until(() => harness.gateway.stats().holding === 1);
    expect(woken).toEqual(['ep-chat']);
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    expect((await answer).status).toBe(200);
    expect(harness.gateway.stats().holding).toBe(0);
  });

  it('says when to come back if no replica becomes ready in time', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness({ holdMs: 20 });
    harness.gateway.setRoutes('acme', [
      {
        ...chatRoute(engine),
        revisions: [
          { revisionId: 'r1', modelVersion: 'v1', weight: 1, replicas: [replicaAt(engine, 'e', false)] },
        ],
      },
    ]);
    const response = await harness.post('/v1/chat/completions', chat);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await errorOf(response)).toMatchObject({ status: 503, code: 'no_ready_replica' });
    expect(harness.meter).toMatchObject([{ status: 503, promptTokens: 0 }]);
  });

  it('waits out the restart of its only engine', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    expect((await harness.post('/v1/chat/completions', chat)).status).toBe(200);
    await engine.crash();
    const answer = harness.post('/v1/chat/completions', chat);
    await until(() => harness.gateway.stats().holding === 1);
    await engine.restart();
    expect((await answer).status).toBe(200);
  });

  it('rolls to another version under load without failing a request', async () => {
    await using first = await createFakeEngine(completeWith(['old']));
    await using second = await createFakeEngine(completeWith(['new']));
    await using harness = await createGatewayHarness();
    const revision = (id: string, engine: typeof first, weight: number, ready = true) => ({
      revisionId: id,
      modelVersion: id,
      weight,
      replicas: [replicaAt(engine, id, ready)],
    });
    const roll = (...revisions: ReturnType<typeof revision>[]): void => {
      harness.gateway.setRoutes('acme', [{ endpointId: 'ep-chat', endpointName: 'chat', revisions }]);
    };
    roll(revision('r1', first, 100));
    const seen: string[] = [];
    let isRolled = false;
    const client = async (): Promise<void> => {
      for (let afterwards = 0; afterwards < 10;) {
        const response = await harness.post('/v1/chat/completions', {
          ...chat,
          stream: seen.length % 2 === 0,
        });
        const text = await response.text();
        seen.push(response.status === 200 ? (text.includes('new') ? 'new' : 'old') : `failed: ${text}`);
        if (isRolled) afterwards++;
      }
    };
    const clients = Array.from({ length: 8 }, client);
    await until(() => seen.length > 20);
    roll(revision('r1', first, 90), revision('r2', second, 10));
    await until(() => seen.includes('new'));
    roll(revision('r1', first, 0), revision('r2', second, 100));
    roll(revision('r1', first, 0, false), revision('r2', second, 100));
    // The old engine drains: what it still has, it finishes; then it is gone.
    await until(() =>
      harness.gateway
        .stats()
        .replicas.every(({ replicaId, inFlight }) => replicaId !== 'r1' || inFlight === 0),
    );
    await first.crash();
    roll(revision('r2', second, 100));
    isRolled = true;
    await Promise.all(clients);
    expect(seen.filter((outcome) => outcome.startsWith('failed'))).toEqual([]);
    expect(seen.slice(-40).every((outcome) => outcome === 'new')).toBe(true);
    expect(harness.meter).toHaveLength(seen.length);
  });

  it('gives every request that reached a route exactly one record, also when it stops', async () => {
    await using engine = await createFakeEngine((_received, response) => {
      startStream(response);
      response.write(delta('one'));
    });
    const harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const response = await harness.post('/v1/chat/completions', { ...chat, stream: true });
    await harness[Symbol.asyncDispose]();
    expect(await response.text()).toContain('stream_interrupted');
    expect(harness.meter).toHaveLength(1);
  });
});
