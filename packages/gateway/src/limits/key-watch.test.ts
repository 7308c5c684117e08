/** A key that ends takes with it what it keeps open, at once, and nothing of anybody else. */
import { expect, it } from 'vitest';
import { createFakeEngine, delta, startStream } from '../testing/fake-engine.ts';
import { chatRoute, createGatewayHarness, until } from '../testing/gateway-harness.ts';
import { KeyWatch } from './key-watch.ts';

const stream = { model: 'chat', messages: [{ role: 'user', content: 'hi' }], stream: true };

it('a stream whose key was revoked ends and its work is cancelled; a neighbour goes on', async () => {
  const revoked = new Set<string>();
  await using engine = await createFakeEngine((_received, response) => {
    startStream(response);
    response.write(delta('one'));
  });
  await using harness = await createGatewayHarness({
    authenticate: async (bearer) => ({ tenantId: 'acme', principalId: 'ann', keyId: bearer }),
    isKeyGood: async (keyId) => !revoked.has(keyId),
  });
  harness.gateway.setRoutes('acme', [chatRoute(engine)]);
  const ask = (key: string, body: object) => harness.post('/v1/chat/completions', body, { key });
  const [lost, kept] = [await ask('key_lost', stream), await ask('key_kept', stream)];
  const background = { model: 'chat', input: 'a', background: true, stream: true };
  const followed = await harness.post('/v1/responses', background, { key: 'key_lost' });
  await until(() => engine.open() === 3);
  revoked.add('key_lost');
  harness.gateway.forgetKeys();
  const told = await lost.text();
  expect(told).toContain('one');
  expect(told).toContain('"code":"invalid_api_key"');
  await expect(followed.text()).rejects.toThrow();
  await until(() => engine.cancelled() === 2);
  expect(harness.gateway.stats().inFlight).toBe(1);
  await kept.body?.cancel();
  await until(() => harness.gateway.stats().inFlight === 0);
  expect(harness.meter.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
    401, 401, 499,
  ]);
});

it('keys that end by themselves are found by the next look; who cannot be asked about stays', async () => {
  const ended: string[] = [];
  const held = ['gone', 'gone', 'good', 'unknown', undefined].map((keyId, index) => ({
    keyId,
    recheck: (key: string | undefined) => {
      if (key === undefined) ended.push(`${keyId} ${index}`);
    },
  }));
  const asked: string[] = [];
  using _watch = new KeyWatch<string>({
    held: () => held,
    everyMs: 1,
    keyNow: async (keyId) => {
      asked.push(keyId);
      if (keyId === 'unknown') throw new Error('the database is away');
      return keyId === 'gone' ? undefined : keyId;
    },
  });
  await until(() => ended.length >= 2);
  expect(ended.slice(0, 2)).toEqual(['gone 0', 'gone 1']);
  // Once for each key.
  expect(asked.slice(0, 3)).toEqual(['gone', 'good', 'unknown']);
});
