import { binaryHeader } from '@gantry/contract/foreign/oip';
import { describe, expect, it } from 'vitest';
import { createFakeEngine, sendJson, type FakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';

const bearer = { authorization: 'Bearer sk-acme' };
const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];

function tensorRoute(...engines: readonly FakeEngine[]) {
  return { ...chatRoute(...engines), endpointName: 'scorer' };
}

describe('open inference protocol', () => {
  it('answers health without a key, and readiness of a model with one', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [tensorRoute(engine)]);
    const get = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${harness.baseUrl}${path}`, { headers });
    expect(await (await get('/v2/health/live')).json()).toEqual({ live: true });
    expect(await (await get('/v2')).json()).toMatchObject({ extensions: ['binary_tensor_data'] });
    expect((await get('/v2/models/scorer/ready')).status).toBe(401);
    expect((await get('/v2/models/scorer/ready', bearer)).status).toBe(200);
    expect((await get('/v2/models/scorer/versions/v9/ready', bearer)).status).toBe(404);
    const foreign = await get('/v2/models/scorer/ready', { authorization: 'Bearer sk-zeta' });
    expect(foreign.status).toBe(404);
    expect(await foreign.json()).toEqual({ error: expect.stringContaining('No such model') });
  });

  it('relays metadata and inference under the name that the engine knows', async () => {
    await using engine = await createFakeEngine(({ path }, response) => {
      sendJson(response, { path });
    });
    await using harness = await createGatewayHarness();
    const route = tensorRoute(engine);
    harness.gateway.setRoutes('acme', [
      { ...route, revisions: route.revisions.map((each) => ({ ...each, upstreamModel: 'iris 3' })) },
    ]);
    const meta = await fetch(`${harness.baseUrl}/v2/models/scorer`, { headers: bearer });
    expect(await meta.json()).toEqual({ path: '/v2/models/iris%203' });
    const answer = await harness.post('/v2/models/scorer/infer', { inputs });
    expect(await answer.json()).toEqual({ path: '/v2/models/iris%203/infer' });
    expect(engine.received[1]?.body).toEqual({ inputs });
    expect(engine.received[1]?.headers['x-gantry-cache-scope']).toBe('acme');
    expect(harness.meter).toHaveLength(2);
  });

  it('carries binary tensors untouched both ways', async () => {
    const tensor = Buffer.from([0, 255, 1, 254]);
    await using engine = await createFakeEngine(({ bytes, headers }, response) => {
      response.writeHead(200, {
        'content-type': 'application/octet-stream',
        [binaryHeader]: headers[binaryHeader],
      });
      response.end(bytes);
    });
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [tensorRoute(engine)]);
    const json = Buffer.from('{"inputs":[]}');
    const response = await fetch(`${harness.baseUrl}/v2/models/scorer/infer`, {
      method: 'POST',
      headers: {
        ...bearer,
        'content-type': 'application/octet-stream',
        [binaryHeader]: String(json.length),
      },
      body: Buffer.concat([json, tensor]),
    });
    expect(response.headers.get(binaryHeader)).toBe(String(json.length));
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.concat([json, tensor]));
  });

  it('refuses the wrong method in the dialect of the path', async () => {
    await using harness = await createGatewayHarness();
    const response = await fetch(`${harness.baseUrl}/v2/models/scorer/infer`, { headers: bearer });
    expect(response.status).toBe(405);
    expect(await response.json()).toEqual({ error: expect.stringContaining('Use POST.') });
  });
});
