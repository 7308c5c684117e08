/** Servers of somebody else under a name of the platform: seen, asked, metered, and kept from the inside. */
import { createRemoteDouble, modelName } from '@gantry/gateway/testing/remote-double';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });
const complete = (name: string) =>
  home.ask('POST', '/v1/completions', { body: { model: name, prompt: 'hello' }, key: home.operatorKey });

test('a connected server is watched, asked with the tenant’s secret, and metered', async () => {
  const { operator } = home;
  await using double = await createRemoteDouble('llama-server');
  double.key = 'sesame';
  await operator.call('secrets.set', { params: { name: 'provider' }, body: { value: 'sesame' } });
  const body = {
    name: 'far',
    engine: 'llama-server' as const,
    urls: [double.url],
    modelName,
    secret: 'provider',
  };
  await operator.call('endpoints.connect', { body });
  await eventually(async () => {
    const seen = await operator.call('endpoints.get', { params: { name: 'far' } });
    expect(seen).toMatchObject({
      state: 'ready',
      remote: { engine: 'llama-server', servers: [{ url: double.url, state: 'ready', slots: 6 }] },
    });
    expect(JSON.stringify(seen)).not.toContain('sesame');
  });
  const answer = await complete('far');
  expect([answer.status, answer.body.choices[0].text]).toEqual([200, 'hello!']);
  await eventually(async () => {
    const { items } = await operator.call('usage.report', { query: { by: 'endpoint' } });
    expect(items.filter(({ resource }) => resource.includes('token')).length).toBeGreaterThan(0);
  });
  const params = { name: 'far' };
  await expect(operator.call('endpoints.update', { params, body: { replicas: 2 } })).rejects.toMatchObject({
    code: 'validation_failed',
  });
  await operator.call('endpoints.update', {
    params,
    body: { hedging: {}, payloads: { sample: 1, redact: ['prompt'] } },
  });
  expect(await operator.call('endpoints.get', { params })).toMatchObject({ payloads: { sample: 1 } });
  await complete('far');
  const { items } = await operator.call('endpoints.payloads', { params });
  expect(items).toMatchObject([
    {
      path: '/v1/completions',
      status: 200,
      request: { json: { model: 'far', prompt: '[redacted]' } },
      answer: { json: { choices: [{ text: 'hello!' }] } },
    },
  ]);
  await operator.call('endpoints.update', { params, body: { payloads: null, cacheSeconds: 5 } });
  await complete('far');
  expect((await operator.call('endpoints.payloads', { params })).items).toHaveLength(1);
  await operator.call('endpoints.delete', { params });
  expect((await complete('far')).status).toBe(404);
});

test('only an operator connects what lies in private networks; a secret must exist; a URL holds no credentials', async () => {
  const key = await home.keyOf('default', 'mallory', 'admin');
  const connect = async (extra: object) => {
    const body = {
      name: 'inside',
      engine: 'oip',
      urls: ['http://169.254.169.254/latest'],
      modelName: 'm',
      ...extra,
    };
    const answer = await home.ask('POST', '/api/v1/endpoints/connect', { body, key });
    return [answer.status, answer.body.error?.code];
  };
  expect(await connect({})).toEqual([403, 'forbidden']);
  expect(await connect({ urls: ['http://[::ffff:127.0.0.1]:1/'] })).toEqual([403, 'forbidden']);
  const urls = ['https://models.example.com/v1'];
  expect(await connect({ urls, secret: 'ghost' })).toEqual([422, 'validation_failed']);
  expect(await connect({ urls: ['https://me:pass@models.example.com'] })).toEqual([422, 'validation_failed']);
  expect(await connect({ urls: ['file:///etc/passwd'] })).toEqual([422, 'validation_failed']);
  expect(await connect({ engine: 'oip', urls: ['grpc://models.example.com:9000'] })).toEqual([
    403,
    'forbidden',
  ]);
  expect(await connect({ engine: 'vllm', urls: ['grpc://models.example.com:9000'] })).toEqual([
    422,
    'validation_failed',
  ]);
  expect(await connect({ urls: [] })).toEqual([422, 'validation_failed']);
});

test('what a tenant asked, was answered, paid and is allowed is nobody else’s to see', async () => {
  const { operator } = home;
  await using double = await createRemoteDouble('llama-server');
  const body = { name: 'ours', engine: 'llama-server' as const, urls: [double.url], modelName };
  await operator.call('endpoints.connect', { body });
  const params = { name: 'ours' };
  await operator.call('endpoints.update', { params, body: { payloads: { sample: 1, redact: [] } } });
  await operator.call('limits.set', { body: { budget: { amount: 1_000, period: 'month' } } });
  await eventually(async () => {
    expect(await operator.call('endpoints.get', { params })).toMatchObject({ state: 'ready' });
  });
  expect((await complete('ours')).status).toBe(200);
  await eventually(async () => {
    const { items } = await operator.call('usage.report', { query: { by: 'endpoint' } });
    expect(items.length).toBeGreaterThan(0);
    expect((await operator.call('endpoints.payloads', { params })).items).toHaveLength(1);
  });
  await operator.call('tenants.create', { body: { name: 'neighbours' } });
  const key = await home.keyOf('neighbours', 'nora', 'admin');
  const see = async (path: string): Promise<unknown> => {
    const { status, body: told } = await home.ask('GET', `/api/v1/${path}`, { key });
    return told?.items ?? told?.budget ?? (status === 200 ? 'nothing' : status);
  };
  for (const by of ['tenant', 'user', 'queue', 'job', 'endpoint', 'resource'])
    expect([by, await see(`usage?by=${by}`)]).toEqual([by, []]);
  expect(await see('limits')).toBe('nothing');
  expect(await see('endpoints')).toEqual([]);
  for (const part of ['', '/stats', '/logs', '/payloads', '/watch'])
    expect([part, await see(`endpoints/ours${part}`)]).toEqual([part, 404]);
  expect(JSON.stringify(await see('events?limit=1000'))).not.toContain('ours');
  const asked = await home.ask('POST', '/v1/completions', { body: { model: 'ours', prompt: 'hello' }, key });
  expect(asked.status).toBe(404);
});
