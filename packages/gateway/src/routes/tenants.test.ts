/** Whatever a key asks, what another tenant serves is answered exactly as what nobody serves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeWith, createFakeEngine, sendJson, type FakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, type GatewayHarness, until } from '../testing/gateway-harness.ts';

let engine: FakeEngine;
let harness: GatewayHarness;
/** A response of `acme` that is kept. */
let kept: string;

beforeAll(async () => {
  engine = await createFakeEngine((received, response) => {
    if (received.path !== '/v1/responses') return completeWith(['hello'])(received, response);
    return sendJson(response, { id: 'resp_1', object: 'response', status: 'completed', output: [] });
  });
  harness = await createGatewayHarness();
  const route = { ...chatRoute(engine), cacheMs: 60_000, adapters: ['legal'] };
  harness.gateway.setRoutes('acme', [route]);
  const made = await harness.post('/v1/responses', { model: 'chat', input: 'a', background: true });
  kept = ((await made.json()) as { id: string }).id;
  await until(() => engine.received.length === 1);
});
afterAll(async () => {
  await harness[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

const messages = [{ role: 'user', content: 'hello' }];
const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }];

interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
}

/** Every call of the gateway that names something: NAME is an endpoint, ID a response. */
const calls: readonly Call[] = [
  { method: 'POST', path: '/v1/completions', body: { model: 'NAME', prompt: 'hello' } },
  { method: 'POST', path: '/v1/completions', body: { model: 'NAME', prompt: 'hello', stream: true } },
  { method: 'POST', path: '/v1/completions', body: { model: 'NAME:legal', prompt: 'hello' } },
  { method: 'POST', path: '/v1/chat/completions', body: { model: 'NAME', messages } },
  { method: 'POST', path: '/v1/embeddings', body: { model: 'NAME', input: 'hello' } },
  { method: 'POST', path: '/v1/moderations', body: { model: 'NAME', input: 'hello' } },
  { method: 'POST', path: '/v1/responses', body: { model: 'NAME', input: 'hello' } },
  { method: 'POST', path: '/v1/responses', body: { model: 'NAME', input: 'hello', background: true } },
  {
    method: 'POST',
    path: '/v1/responses',
    body: { model: 'NAME', input: 'hello', previous_response_id: 'ID' },
  },
  { method: 'GET', path: '/v1/responses/ID' },
  { method: 'GET', path: '/v1/responses/ID/input_items' },
  { method: 'POST', path: '/v1/responses/ID/cancel' },
  { method: 'DELETE', path: '/v1/responses/ID' },
  { method: 'GET', path: '/v1/models/NAME' },
  { method: 'GET', path: '/v2/models/NAME' },
  { method: 'GET', path: '/v2/models/NAME/ready' },
  { method: 'GET', path: '/v2/models/NAME/versions/v1' },
  { method: 'GET', path: '/v2/models/NAME/versions/v1/ready' },
  { method: 'POST', path: '/v2/models/NAME/infer', body: { inputs } },
  { method: 'POST', path: '/v2/models/NAME/versions/v1/infer', body: { inputs } },
];

async function ask({ method, path, body }: Call, name: string, id: string, key: string) {
  const fill = (text: string): string => text.replaceAll('NAME', name).replaceAll('ID', id);
  const response = await fetch(`${harness.baseUrl}${fill(path)}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-gantry-debug': '1' },
    ...(body === undefined ? {} : { body: fill(JSON.stringify(body)) }),
  });
  const told = await response.text();
  const headers = [...response.headers]
    .filter(([header]) => !['date', 'x-request-id', 'content-length'].includes(header))
    .toSorted(([one], [other]) => one.localeCompare(other));
  return { status: response.status, headers, told: told.replaceAll(name, 'NAME').replaceAll(id, 'ID') };
}

describe('a key of another tenant', () => {
  it.each(calls)('$method $path', async (call) => {
    const before = engine.received.length;
    const theirs = await ask(call, 'chat', kept, 'sk-zeta');
    const nobodys = await ask(call, 'nope', 'resp_nope', 'sk-zeta');
    expect(theirs.status).toBe(404);
    expect(theirs).toEqual(nobodys);
    expect(engine.received).toHaveLength(before);
  });

  it.each(['/v1/models', '/v2'])('finds nothing of it listed at %s', async (path) => {
    const response = await fetch(`${harness.baseUrl}${path}`, {
      headers: { authorization: 'Bearer sk-zeta' },
    });
    expect(await response.text()).not.toMatch(/chat|legal/);
  });

  it('is not answered from what another tenant asked, nor may it name the scope of its prefixes', async () => {
    const body = { model: 'chat', prompt: 'same', temperature: 0 };
    await using own = await createFakeEngine(completeWith(['mine']));
    await harness.post('/v1/completions', body);
    const asked = engine.received.length;
    await harness.post('/v1/completions', body);
    expect(engine.received).toHaveLength(asked);
    harness.gateway.setRoutes('zeta', [{ ...chatRoute(own), endpointId: 'ep-zeta', cacheMs: 60_000 }]);
    const headers = { 'x-gantry-cache-scope': 'acme' };
    const answer = await harness.post('/v1/completions', body, { key: 'sk-zeta', headers });
    expect(await answer.text()).toContain('mine');
    expect(own.received[0]?.headers['x-gantry-cache-scope']).toBe('zeta');
    expect(harness.gateway.endpointStats('zeta', 'ep-chat', 'chat').series).not.toContainEqual(
      expect.objectContaining({ labels: expect.objectContaining({ tenantId: 'acme' }) as unknown }),
    );
    harness.gateway.setRoutes('zeta', []);
  });
});
