/** Large bodies of one tenant leave room for its neighbours, and come to an end with their answers. */
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';

const prompt = (bytes: number) => JSON.stringify({ model: 'chat', prompt: 'x'.repeat(bytes) });
const mebi = 1024 ** 2;

it('a tenant holds half of the room at most; what is refused says when to come back', async () => {
  await using engine = await createFakeEngine();
  await using harness = await createGatewayHarness({ maxHeldBytes: 8 * mebi, holdMs: 600_000 });
  const asleep = { ...chatRoute(engine), revisions: [] };
  harness.gateway.setRoutes('acme', [asleep]);
  harness.gateway.setRoutes('zeta', [asleep]);
  const leaving = new AbortController();
  const ask = (key: string, body: string | Uint8Array, headers = {}) =>
    harness.post('/v1/completions', body, { key, headers, signal: leaving.signal });
  const held = Array.from({ length: 3 }, () => ask('sk-acme', prompt(mebi)));
  await until(() => harness.gateway.stats().holding === 3);

  const refused = await ask('sk-acme', prompt(2 * mebi));
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  expect(await refused.text()).toContain('holds as many bytes of requests as it can');
  const folded = { 'content-encoding': 'gzip' };
  expect((await ask('sk-acme', gzipSync(prompt(2 * mebi)), folded)).status).toBe(503);
  // A neighbour, and a small one of its own.
  held.push(ask('sk-zeta', prompt(2 * mebi)), ask('sk-acme', prompt(100)));
  await until(() => harness.gateway.stats().holding === 5);

  leaving.abort();
  await Promise.allSettled(held);
  await until(() => harness.gateway.stats().inFlight === 0);
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  expect((await harness.post('/v1/completions', prompt(3 * mebi))).status).toBe(200);
});

it('an event stream without end that nobody waits for is broken off', async () => {
  await using engine = await createFakeEngine((_received, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const delta = { type: 'response.output_text.delta', delta: 'x'.repeat(10_000) };
    const pour = (): void => {
      while (!response.destroyed && response.write(`data: ${JSON.stringify(delta)}\n\n`));
    };
    response.on('drain', pour);
    pour();
  });
  await using harness = await createGatewayHarness({ responseBytes: 8 * mebi });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const body = { model: 'chat', input: 'a', background: true, stream: true };
  const followed = await (await harness.post('/v1/responses', body)).text();
  expect(followed).toContain('The answer is too large to be kept.');
  await until(() => engine.cancelled() === 1);
});
