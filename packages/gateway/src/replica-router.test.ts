import { expect, it } from 'vitest';
import { createFakeEngine } from './testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from './testing/gateway-harness.ts';

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
