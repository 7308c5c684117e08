import { expect, it } from 'vitest';
import { createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';

it('sends a conversation to where its prefix lies and explains that on request', async () => {
  await using first = await createFakeEngine();
  await using second = await createFakeEngine();
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [chatRoute(first, second)]);
  const say = async (opening: string, turns: number): Promise<string> => {
    const messages = [
      { role: 'system', content: opening.repeat(400) },
      ...Array.from({ length: turns }, (_, turn) => ({ role: 'user', content: `turn ${turn}` })),
    ];
    const response = await harness.post(
      '/v1/chat/completions',
      { model: 'chat', messages },
      { headers: { 'x-gantry-debug': 'route' } },
    );
    await response.arrayBuffer();
    return response.headers.get('x-gantry-route') ?? '';
  };
  const replicaOf = (route: string): string => /replica=([^;]+)/.exec(route)?.[1] ?? '';
  for (const opening of ['alpha ', 'beta ', 'gamma ']) {
    const home = replicaOf(await say(opening, 1));
    for (let turn = 2; turn < 6; turn++) {
      const route = await say(opening, turn);
      expect(replicaOf(route)).toBe(home);
      expect(route).toMatch(/^warm; cached=[1-9]/);
    }
  }
});

it('asks the engine for the adapter, and takes what another computed for no prefix of its own', async () => {
  await using first = await createFakeEngine();
  await using second = await createFakeEngine();
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [{ ...chatRoute(first, second), adapters: ['legal'] }]);
  const say = async (model: string): Promise<string> => {
    const messages = [{ role: 'user', content: 'the same beginning '.repeat(200) }];
    const debug = { headers: { 'x-gantry-debug': 'route' } };
    const response = await harness.post('/v1/chat/completions', { model, messages }, debug);
    await response.arrayBuffer();
    return response.headers.get('x-gantry-route') ?? '';
  };
  await say('chat');
  expect(await say('chat')).toContain('warm');
  expect(await say('chat:legal')).toContain('cached=0');
  expect(await say('chat:legal')).toContain('warm');
  const models = [first, second].flatMap(({ received }) => received.map(({ body }) => String(body['model'])));
  expect(models.toSorted()).toEqual(['chat', 'chat', 'chat:legal', 'chat:legal']);
});

it('lists an adapter as a model of its own', async () => {
  await using engine = await createFakeEngine();
  await using harness = await createGatewayHarness();
  harness.gateway.setRoutes('acme', [{ ...chatRoute(engine), adapters: ['legal'] }]);
  const get = (path: string): Promise<Response> =>
    fetch(`${harness.baseUrl}${path}`, { headers: { authorization: 'Bearer sk-acme' } });
  const list = (await (await get('/v1/models')).json()) as { data: { id: string }[] };
  expect(list.data.map(({ id }) => id)).toEqual(['chat', 'chat:legal']);
  expect((await get('/v1/models/chat:legal')).status).toBe(200);
  expect((await get('/v1/models/chat:other')).status).toBe(404);
});
