import { describe, expect, it } from 'vitest';
import { ResponseCache } from './response-cache.ts';
import { completeWith, createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';

const asked = { model: 'chat', prompt: 'hi', temperature: 0 };

describe('response cache', () => {
  it('answers an equal deterministic request of the same tenant from memory, and counts no tokens', async () => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness();
    const route = { ...chatRoute(engine), cacheMs: 60_000 };
    harness.gateway.setRoutes('acme', [route]);
    harness.gateway.setRoutes('zeta', [route]);
    const first = await harness.post('/v1/completions', asked);
    const again = await harness.post('/v1/completions', asked);
    expect(first.headers.get('x-gantry-cache')).toBeNull();
    expect(again.headers.get('x-gantry-cache')).toBe('hit');
    expect(await again.text()).toBe(await first.text());
    expect(engine.received).toHaveLength(1);
    expect(harness.meter[1]).toMatchObject({ status: 200, promptTokens: 0, completionTokens: 0 });

    await harness.post('/v1/completions', { ...asked, temperature: 1 });
    await harness.post('/v1/completions', { ...asked, temperature: 1 });
    await harness.post('/v1/completions', asked, { key: 'sk-zeta' });
    expect(engine.received).toHaveLength(4);
  });

  it('remembers no failure, and nothing across a change of version', async () => {
    await using engine = await createFakeEngine((_, response) => {
      response.writeHead(500).end('{}');
    });
    await using harness = await createGatewayHarness();
    const route = { ...chatRoute(engine), cacheMs: 60_000 };
    harness.gateway.setRoutes('acme', [route]);
    expect((await harness.post('/v1/completions', asked)).status).toBe(500);
    engine.answer = completeWith(['one']);
    expect((await harness.post('/v1/completions', asked)).status).toBe(200);
    engine.answer = completeWith(['two']);
    harness.gateway.setRoutes('acme', [
      { ...route, revisions: route.revisions.map((each) => ({ ...each, revisionId: 'r2' })) },
    ]);
    expect(await (await harness.post('/v1/completions', asked)).text()).toContain('two');
  });

  it('forgets by age and by size, least recently used first', () => {
    const cache = new ResponseCache(160);
    const body = Buffer.alloc(10);
    for (let i = 0; i < 16; i++) cache.set('t', String(i), body, 1_000);
    expect(cache.get('t', '0', 0)).toBe(body);
    cache.set('t', 'new', body, 1_000);
    expect(cache.get('t', '1', 0)).toBeUndefined();
    expect(cache.get('t', '0', 0)).toBe(body);
    expect(cache.get('t', '0', 1_000)).toBeUndefined();
    cache.set('t', 'huge', Buffer.alloc(100), 1_000);
    expect(cache.get('t', 'huge', 0)).toBeUndefined();
    expect(cache.bytes).toBe(150);
  });
});
