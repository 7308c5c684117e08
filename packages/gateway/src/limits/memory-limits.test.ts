import { describe, expect, it } from 'vitest';
import { createMemoryLimits } from './memory-limits.ts';
import { createFakeEngine, delta, startStream } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';

const chat = { model: 'chat', messages: [{ role: 'user', content: 'hi' }], max_tokens: 10 };

describe('limits at the gateway', () => {
  it('lets a key have its requests a minute and names the time to come back', async () => {
    await using engine = await createFakeEngine();
    const now = 100_000;
    await using harness = await createGatewayHarness({ limits: createMemoryLimits({ now: () => now }) });
    harness.gateway.setRoutes('acme', [{ ...chatRoute(engine), limits: { requestsPerMinute: 2 } }]);
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await harness.post('/v1/chat/completions', chat));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answers[2]?.json()).toMatchObject({
      error: { code: 'rate_limit_exceeded', type: 'rate_limit_error' },
    });
  });

  it('counts what runs at once, and a client that leaves makes room', async () => {
    await using engine = await createFakeEngine((_received, response) => {
      startStream(response);
      response.write(delta('one'));
    });
    const limits = { concurrentRequests: 1 };
    await using harness = await createGatewayHarness({
      limits: createMemoryLimits({ tenantLimits: () => limits }),
    });
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const leaving = new AbortController();
    const first = await harness.post(
      '/v1/chat/completions',
      { ...chat, stream: true },
      { signal: leaving.signal },
    );
    expect((await harness.post('/v1/chat/completions', chat)).status).toBe(429);
    leaving.abort();
    await first.text().catch(() => undefined);
    await until(() => harness.gateway.stats().inFlight === 0);
    expect((await harness.post('/v1/chat/completions', { ...chat, stream: true })).status).toBe(200);
  });

  it('cannot be overspent by parallel requests', async () => {
    await using engine = await createFakeEngine();
    const limits = createMemoryLimits();
    // Room for three worst cases: bytes of the request (87) and ten tokens each.
    const worst = Buffer.byteLength(JSON.stringify(chat)) + 10;
    limits.setBudget('acme', { limit: worst * 3, spent: 0 });
    await using harness = await createGatewayHarness({ limits });
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async () => (await harness.post('/v1/chat/completions', chat)).status),
    );
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(3);
    const budget = limits.budget('acme');
    expect(budget?.reserved).toBe(0);
    expect(budget?.spent).toBe(statuses.filter((status) => status === 200).length * 7);
    limits.setBudget('acme', { limit: 10, spent: 10 });
    const refused = await harness.post('/v1/chat/completions', chat);
    expect(await refused.json()).toMatchObject({ error: { code: 'insufficient_quota' } });
  });

  it('takes nothing when one of several limits says no', () => {
    const tenantLimits = { requestsPerMinute: 100 };
    const limits = createMemoryLimits({ tenantLimits: () => tenantLimits, now: () => 1_000 });
    const route = { ...chatRoute(), limits: { requestsPerMinute: 1 } };
    const principal = { tenantId: 'acme', principalId: 'u' };
    const estimate = { promptTokens: 1, promptBytes: 4, maxCompletionTokens: 1 };
    expect(limits.admit(principal, route, estimate)).toHaveProperty('admission');
    for (let i = 0; i < 200; i++) expect(limits.admit(principal, route, estimate)).toHaveProperty('problem');
    expect(limits.admit(principal, { ...chatRoute(), endpointId: 'other' }, estimate)).toHaveProperty(
      'admission',
    );
  });
});
