import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createFakeEngine } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness } from '../testing/gateway-harness.ts';

const body = JSON.stringify({ model: 'chat', prompt: 'hello' });

describe('a compressed body', () => {
  it.each([
    ['gzip', gzipSync(body)],
    ['deflate', deflateSync(body)],
    ['br', brotliCompressSync(body)],
  ])('in %s reaches the engine as if it were not', async (encoding, bytes) => {
    await using engine = await createFakeEngine();
    await using harness = await createGatewayHarness();
    harness.gateway.setRoutes('acme', [chatRoute(engine)]);
    const answer = await harness.post('/v1/completions', bytes, {
      headers: { 'content-encoding': encoding },
    });
    expect(answer.status).toBe(200);
    expect(engine.received[0]).toMatchObject({ body: { prompt: 'hello' } });
    expect(engine.received[0]?.headers).not.toHaveProperty('content-encoding');
  });

  it.each([
    ['a bomb', 'gzip', gzipSync(Buffer.alloc(4_000_000, 32)), 413],
    ['half of it', 'gzip', gzipSync(body).subarray(0, 20), 400],
    ['an encoding that nobody knows', 'lz9', Buffer.from(body), 400],
    ['a word of the language itself', 'constructor', Buffer.from(body), 400],
  ])('that is %s is refused', async (_what, encoding, bytes, status) => {
    await using harness = await createGatewayHarness({ maxBodyBytes: 1_000_000 });
    const answer = await harness.post('/v1/completions', bytes, {
      headers: { 'content-encoding': encoding },
    });
    expect(answer.status).toBe(status);
  });
});
