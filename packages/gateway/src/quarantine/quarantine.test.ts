import { describe, expect, it } from 'vitest';
import { completeWith, createFakeEngine, type Answer } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';

const ask = (prompt: string) => ({ model: 'chat', prompt });
/** Dies of one prompt. */
const fragile: Answer = (received, response) => {
  if (received.body['prompt'] === 'poison') response.destroy();
  else completeWith(['fine'])(received, response);
};

describe('quarantine', () => {
  it('refuses a request that ended two replicas, and spares the third', async () => {
    await using one = await createFakeEngine(fragile);
    await using two = await createFakeEngine(fragile);
    await using three = await createFakeEngine(fragile);
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(one, two, three)]);
    const first = await harness.post('/v1/completions', ask('poison'));
    expect(first.status).toBe(422);
    expect(await first.json()).toMatchObject({ error: { code: 'request_quarantined' } });
    const before = [one, two, three].map((engine) => engine.received.length);
    expect(before.filter((count) => count > 0)).toHaveLength(2);
    expect((await harness.post('/v1/completions', ask('poison'))).status).toBe(422);
    expect([one, two, three].map((engine) => engine.received.length)).toEqual(before);
    expect((await harness.post('/v1/completions', ask('harmless'))).status).toBe(200);
  });

  it('clears whoever was only beside it', async () => {
    await using one = await createFakeEngine((_, response) => {
      response.destroy();
    });
    await using two = await createFakeEngine(completeWith(['fine']));
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(one, two)]);
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map((prompt) => harness.post('/v1/completions', ask(prompt))),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    for (const prompt of ['a', 'b', 'c', 'd'])
      expect((await harness.post('/v1/completions', ask(prompt))).status).toBe(200);
  });
});
