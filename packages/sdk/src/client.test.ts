import { describe, expect, test } from 'vitest';
import { createClient } from './client.ts';
import type { RetryOptions } from './retry.ts';
import { type FakeServer, type Turn, fakeServer, json, pieces, problem } from './testing/fake-server.ts';

const refused = new TypeError('fetch failed');

function clientOf(server: FakeServer, retry: RetryOptions = {}) {
  const waits: number[] = [];
  const client = createClient({
    baseUrl: 'http://there/',
    key: 'gk_1',
    fetch: server.fetch,
    retry: {
      wait: async (ms, signal) => {
        signal?.throwIfAborted();
        waits.push(ms);
      },
      ...retry,
    },
  });
  return { client, waits };
}

describe('a request', () => {
  test('names its route, its key and its query; parameters are encoded', async () => {
    const server = fakeServer(json({ name: 'a/b' }), json({ items: [] }));
    const { client } = clientOf(server);
    await client.call('jobs.get', { params: { name: 'a/b?' } });
    await client.call('jobs.list', { query: { limit: 5, state: 'running', queue: undefined } });
    expect(server.asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /api/v1/jobs/a%2Fb%3F',
      'GET /api/v1/jobs?limit=5&state=running',
    ]);
    expect(server.asked[0]?.headers).toEqual({ authorization: 'Bearer gk_1' });
  });

  test('sends a body as JSON, bytes as bytes, and the version it expects', async () => {
    const server = fakeServer(json({}), json({}));
    const { client } = clientOf(server);
    await client.call('queues.update', { params: { name: 'q' }, body: { weight: 2 } }, { ifMatch: 7 });
    expect(server.asked[0]).toMatchObject({
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'if-match': '"7"' },
      body: '{"weight":2}',
    });
    const bytes = new Uint8Array([1, 2]);
    await client.call('uploads.create', { body: bytes });
    expect(server.asked[1]).toMatchObject({
      headers: { 'content-type': 'application/octet-stream' },
      body: bytes,
    });
  });

  test('for another tenant, or without a key', async () => {
    const server = fakeServer(json({}), json({}));
    await createClient({ baseUrl: 'http://there', key: 'k', tenant: 't', fetch: server.fetch }).call(
      'status.get',
      {},
    );
    await createClient({ baseUrl: 'http://there', fetch: server.fetch }).call('invitations.accept', {
      body: { token: 'x' },
    });
    expect(server.asked.map(({ headers }) => headers)).toEqual([
      { authorization: 'Bearer k', 'gantry-tenant': 't' },
      { 'content-type': 'application/json' },
    ]);
  });
});

test('the version of the server is told, also of one that refuses', async () => {
  const from = (version: string) => ({ 'gantry-version': version });
  const told: string[] = [];
  const client = createClient({
    baseUrl: 'http://there',
    fetch: fakeServer(json({}, 200, from('1.2.0')), problem(400, 'bad_request', from('1.3.0')), json({}))
      .fetch,
    onVersion: (version) => told.push(version),
  });
  await client.call('status.get', {});
  await expect(client.call('status.get', {})).rejects.toThrow();
  await client.call('status.get', {});
  expect(told).toEqual(['1.2.0', '1.3.0']);
});

describe('an error', () => {
  test('carries what the server said', async () => {
    const { client } = clientOf(fakeServer(problem(404, 'not_found')));
    await expect(client.call('jobs.get', { params: { name: 'x' } })).rejects.toMatchObject({
      name: 'ApiError',
      code: 'not_found',
      status: 404,
      message: 'it is not_found',
      hint: 'do this',
      requestId: 'req_1',
    });
  });

  test.each([
    ['an HTML page', new Response('<html>', { status: 500 })],
    ['JSON of somebody else', json({ oops: true }, 500)],
  ])('of %s is one of ours all the same', async (_what, answer) => {
    const { client } = clientOf(fakeServer(answer));
    await expect(client.call('status.get', {})).rejects.toMatchObject({
      code: 'bad_answer',
      status: 500,
      hint: 'is this a gantry server?',
    });
  });

  test('of the connection says where it went', async () => {
    const { client } = clientOf(fakeServer(refused), { retries: 0 });
    await expect(client.call('status.get', {})).rejects.toMatchObject({
      code: 'unreachable',
      status: 0,
      message: 'nothing answers at http://there',
      cause: refused,
    });
  });
});

test.each(['DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID'])(
  'a server whose certificate is not trusted (%s) is there all the same',
  async (code) => {
    const server = fakeServer(Object.assign(new TypeError('fetch failed'), { cause: { code } }));
    const { client } = clientOf(server);
    await expect(client.call('status.get', {})).rejects.toMatchObject({
      code: 'untrusted',
      message: `the certificate of http://there is not trusted: ${code}`,
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    expect(server.asked).toHaveLength(1);
  },
);

describe('asking again', () => {
  test.each<[string, Turn]>([
    ['nobody answers', refused],
    ['the server stops', problem(503, 'shutting_down')],
    ['the database is away', problem(503, 'store_unavailable')],
    ['a proxy finds no server', new Response('bad gateway', { status: 502 })],
  ])('where %s, for what reads', async (_what, turn) => {
    const server = fakeServer(turn, json({ version: '1' }));
    const { client } = clientOf(server);
    expect(await client.call('status.get', {})).toEqual({ version: '1' });
    expect(server.asked).toHaveLength(2);
  });

  test('waits twice as long each time, or as long as the server asks, and gives up', async () => {
    const busy = (): Response => problem(429, 'limit_exceeded', { 'retry-after': '3' });
    const { client, waits } = clientOf(fakeServer(refused, refused, busy, busy));
    await expect(client.call('status.get', {})).rejects.toMatchObject({ code: 'limit_exceeded' });
    expect(waits).toEqual([100, 200, 3_000]);
  });

  test('a create goes under one key, so that it has one effect', async () => {
    const server = fakeServer(refused, json({ id: 'job_1' }), json({ id: 'job_2' }), json({ id: 'job_1' }));
    const { client } = clientOf(server);
    const submit = (key?: string) =>
      client.call(
        'jobs.submit',
        { body: { command: 'true' } },
        key === undefined ? {} : { idempotencyKey: key },
      );
    await submit();
    await submit();
    await submit('mine');
    const keys = server.asked.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toBe(keys[1]);
    expect(keys[2]).not.toBe(keys[1]);
    expect(keys[3]).toBe('mine');
  });

  test.each([
    ['a write without a key', 'jobs.cancel', refused],
    ['what was refused', 'status.get', problem(403, 'forbidden')],
    ['a conflict', 'status.get', problem(412, 'version_conflict')],
    ['what broke inside', 'status.get', problem(500, 'internal')],
  ] as const)('never %s', async (_what, name, turn) => {
    const server = fakeServer(turn);
    const { client } = clientOf(server);
    await expect(client.call(name, { params: { name: 'x' } })).rejects.toThrow();
    expect(server.asked).toHaveLength(1);
  });

  test('ends when the caller leaves', async () => {
    const leaving = new AbortController();
    const server = fakeServer(() => {
      leaving.abort(new Error('left'));
      return refused;
    });
    const { client } = clientOf(server);
    await expect(client.call('status.get', {}, { signal: leaving.signal })).rejects.toThrow('fetch failed');
    expect(server.asked).toHaveLength(1);
  });
});

describe('pages', () => {
  test('are read one after the other, with the query of the first', async () => {
    const server = fakeServer(
      json({ items: [{ id: 'a' }, { id: 'b' }], nextCursor: 'b' }),
      json({ items: [{ id: 'c' }] }),
    );
    const { client } = clientOf(server);
    const seen = await Array.fromAsync(client.pages('jobs.list', { query: { limit: 2, state: 'failed' } }));
    expect(seen.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(server.asked.map(({ url }) => url)).toEqual([
      '/api/v1/jobs?limit=2&state=failed',
      '/api/v1/jobs?limit=2&state=failed&cursor=b',
    ]);
  });

  test('are not read further than somebody looks', async () => {
    const server = fakeServer(json({ items: [{ id: 'a' }], nextCursor: 'a' }));
    const { client } = clientOf(server);
    for await (const { id } of client.pages('jobs.list', {})) if (id === 'a') break;
    expect(server.asked).toHaveLength(1);
  });
});

describe('bytes', () => {
  test('that break off fail', async () => {
    const { client } = clientOf(fakeServer(pieces(['abc'], true)));
    const read = Array.fromAsync(
      client.download('jobs.output', { params: { name: 'x' }, query: { path: 'y' } }),
    );
    await expect(read).rejects.toThrow('terminated');
  });
});
