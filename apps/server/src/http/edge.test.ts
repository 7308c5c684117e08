/** Bad input, conditional requests, idempotency and pages, over a real socket. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { type RouteDefinition, type RouteName, routes } from '@gantry/contract';
import { gantryVersion } from '@gantry/kit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Answer,
  type AskOptions,
  type MemoryServer,
  startMemoryServer,
} from '../testing/memory-server.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

const ask = (method: string, path: string, options: AskOptions = {}): Promise<Answer> =>
  home.ask(method, `/api/v1${path}`, { key: home.operatorKey, ...options });
/** Queued for ever: no machine here has so many devices. */
const patientJob = (name?: string): object => ({
  ...(name === undefined ? {} : { name }),
  command: 'true',
  resources: { gpu: 9_000 },
  waitForCapacity: true,
});

describe('a request that cannot be meant', () => {
  test.each([
    ['broken JSON', 'POST', '/queues', { body: '{"name": ' }, 400, 'invalid_json'],
    ['an empty body said to be JSON', 'POST', '/queues', { body: '' }, 400, 'invalid_json'],
    ['a list instead of an object', 'POST', '/queues', { body: [] }, 422, 'validation_failed'],
    [
      'a key that names a prototype',
      'POST',
      '/queues',
      { body: '{"__proto__": {"a": 1}}' },
      400,
      'invalid_json',
    ],
    [
      'a command with U+0000 in it',
      'POST',
      '/jobs',
      { body: { command: 'echo a\0b', queue: 'ghost' } },
      400,
      'bad_request',
    ],
    [
      'half a character',
      'POST',
      '/jobs',
      { body: { command: 'true', env: { A: '\ud800' }, queue: 'ghost' } },
      400,
      'bad_request',
    ],
    ['U+0000 in a path', 'GET', '/jobs/a%00b', {}, 400, 'bad_request'],
    ['U+0000 in a query', 'GET', '/jobs?queue=a%00', {}, 400, 'bad_request'],
    [
      'XML',
      'POST',
      '/queues',
      { body: '<a/>', headers: { 'content-type': 'text/xml' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a form',
      'POST',
      '/queues',
      { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'unsupported_media_type',
    ],
    ['a name with a path in it', 'POST', '/queues', { body: { name: '../etc' } }, 422, 'validation_failed'],
    ['a path that climbs', 'GET', '/jobs/..%2f..%2fetc%2fpasswd', {}, 404, 'not_found'],
    ['a path that is none', 'GET', '/jobs/%zz', {}, 400, 'bad_request'],
    ['a name as long as a novel', 'GET', `/jobs/${'a'.repeat(301)}`, {}, 404, 'not_found'],
    ['a path nobody knows', 'GET', '/nothing', {}, 404, 'not_found'],
    ['a method the path has not', 'PUT', '/jobs', { body: {} }, 405, 'method_not_allowed'],
    ['an unknown query value', 'GET', '/jobs?state=asleep', {}, 422, 'validation_failed'],
    [
      'an If-Match that is no ETag',
      'DELETE',
      '/queues/default',
      { headers: { 'if-match': 'yesterday' } },
      400,
      'bad_request',
    ],
    [
      'an If-Match where none is taken',
      'POST',
      '/queues',
      { body: { name: 'q' }, headers: { 'if-match': '"1"' } },
      400,
      'bad_request',
    ],
  ] as const)('%s', async (_what, method, path, options, status, code) => {
    const answer = await ask(method, path, options);
    expect([answer.status, answer.body?.error?.code]).toEqual([status, code]);
    expect(answer.body.error.message).toMatch(/\w+ \w+/);
    expect(answer.body.error.requestId).toBe(answer.headers.get('x-request-id'));
  });

  test('a misspelt field is named with the one that was meant', async () => {
    const { body } = await ask('POST', '/queues', { body: { name: 'q', wieght: 3 } });
    expect(body.error).toMatchObject({
      code: 'unknown_field',
      hint: 'did you mean "weight"?',
      problems: [{ path: 'wieght' }],
    });
  });

  test('a body beyond the limit is refused, said with the limit, and not read to its end', async () => {
    const answer = await ask('POST', '/queues', { body: `"${'x'.repeat(9 * 1024 ** 2)}"` });
    expect([answer.status, answer.body.error.code]).toEqual([413, 'body_too_large']);
    expect(answer.body.error.hint).toBeTruthy();
  });

  test.each([
    ['one key of megabytes', { command: 'true', ['x'.repeat(4_000_000)]: 1 }, 'unknown_field'],
    [
      'a hundred thousand unknown keys',
      { command: 'true', ...Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`nam${at}`, 1])) },
      'unknown_field',
    ],
    [
      'a hundred thousand mistakes',
      { command: Array.from({ length: 100_000 }, () => 7) },
      'validation_failed',
    ],
    ['lists within lists', `{"env":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'bad_request'],
  ])('%s: told in a few lines', async (_what, body, code) => {
    const answer = await ask('POST', '/jobs', { body });
    expect(answer.body.error.code).toBe(code);
    expect(answer.text.length).toBeLessThan(10_000);
  });

  test('a 405 says what is possible', async () => {
    const answer = await ask('PUT', '/jobs', { body: {} });
    expect(answer.headers.get('allow')).toBe('GET, POST');
    expect(answer.body.error.hint).toContain('GET, POST');
  });

  test('what is no HTTP at all gets an answer and harms nobody', async () => {
    const { port } = new URL(home.server.url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('\u0000\u0001 nonsense\r\n\r\n');
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 400/);
    socket.destroy();
    expect((await ask('GET', '/whoami')).status).toBe(200);
  });
});

describe('a key', () => {
  test.each([
    ['none', undefined],
    ['Basic instead of Bearer', 'Basic Zm9vOmJhcg=='],
    ['no key of ours', 'Bearer sk-123'],
    ['a well-formed guess', `Bearer gk_${'0'.repeat(26)}_${'0'.repeat(32)}`],
  ])('%s is refused with how to send one', async (_what, authorization) => {
    const { status, body } = await home.ask('GET', '/api/v1/jobs', {
      headers: authorization === undefined ? {} : { authorization },
    });
    expect([status, body.error.code]).toEqual([401, 'unauthenticated']);
    expect(body.error.hint).toContain('authorization: Bearer');
  });

  test('guessed too often makes the address wait; keys that worked before go on working', async () => {
    await using other = await startMemoryServer();
    expect((await other.ask('GET', '/api/v1/whoami', { key: other.operatorKey })).status).toBe(200);
    const guess = (): Promise<Answer> => other.ask('GET', '/api/v1/whoami', { key: 'gk_guess' });
    const statuses: number[] = [];
    for (let tries = 0; tries < 22; tries += 1) statuses.push((await guess()).status);
    expect(statuses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401));
    expect(statuses.slice(20)).toContain(429);
    expect((await other.ask('GET', '/api/v1/whoami', { key: other.operatorKey })).status).toBe(200);
  });
});

describe('a request id', () => {
  test('of the caller is kept, stands in the answer and in the audit event', async () => {
    const answer = await ask('POST', '/queues', {
      body: { name: 'traced' },
      headers: { 'x-request-id': 'trace-1.a_b' },
    });
    expect(answer.headers.get('x-request-id')).toBe('trace-1.a_b');
    expect(answer.headers.get('gantry-version')).toBe(gantryVersion);
    const events = await ask('GET', '/events?limit=500');
    expect(events.body.items).toContainEqual(
      expect.objectContaining({ type: 'queue.created', requestId: 'trace-1.a_b' }),
    );
  });

  test('that could break a log line is replaced', async () => {
    const answer = await ask('GET', '/whoami', { headers: { 'x-request-id': 'a b"}' } });
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
  });
});

describe('an ETag', () => {
  test.each(['/queues/default', '/queues', '/users/operator', '/nodes', '/events', '/status'])(
    'of %s spares the body when nothing changed',
    async (path) => {
      const first = await ask('GET', path);
      const etag = first.headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[\w.-]+"$/);
      if (path === '/status') return; // its uptime changes
      const again = await ask('GET', path, { headers: { 'if-none-match': `"other", W/${etag}` } });
      expect([again.status, again.text]).toEqual([304, '']);
      expect(again.headers.get('etag')).toBe(etag);
    },
  );

  test('changes with the resource, and an old one lets no write through', async () => {
    await ask('POST', '/queues', { body: { name: 'etagged' } });
    const before = (await ask('GET', '/queues/etagged')).headers.get('etag') ?? '';
    const write = (ifMatch: string): Promise<Answer> =>
      ask('PUT', '/queues/etagged', { body: { weight: 2 }, headers: { 'if-match': ifMatch } });
    expect((await write(before)).status).toBe(200);
    expect((await ask('GET', '/queues/etagged', { headers: { 'if-none-match': before } })).status).toBe(200);
    const stale = await write(before);
    expect([stale.status, stale.body.error.code]).toEqual([412, 'version_conflict']);
    expect((await write('*')).status).toBe(200);
    const gone = await ask('DELETE', '/queues/etagged', { headers: { 'if-match': before } });
    expect(gone.status).toBe(412);
    expect((await ask('DELETE', '/queues/etagged')).status).toBe(200);
  });

  const conditional = (Object.entries(routes) as [RouteName, RouteDefinition][]).filter(
    ([, { conditional: isTaken }]) => isTaken === true,
  );
  test('is compared by every route that says so, before anything else is done', async () => {
    await ask('POST', '/users', { body: { name: 'conditional' } });
    await ask('POST', '/queues', { body: { name: 'conditional' } });
    await ask('POST', '/jobs', { body: patientJob('conditional') });
    await ask('POST', '/jobs/conditional/cancel');
    await insertModelAndEndpoint('conditional');
    const [node] = (await ask('GET', '/nodes')).body.items as { name: string }[];
    const bodies: Partial<Record<RouteName, unknown>> = {
      'users.update': { role: 'viewer' },
      'queues.update': {},
      'models.alias': { version: 1 },
      'endpoints.update': { replicas: 0 },
      'endpoints.rollout': { to: 'conditional@1', percent: 1 },
    };
    for (const [name, route] of conditional) {
      const target = name.startsWith('nodes.') ? (node?.name ?? '') : 'conditional';
      const path = route.path
        .replace('/api/v1', '')
        .replace(':action', 'cordon')
        .replace(':alias', 'best')
        .replace(':name', target);
      const { status } = await ask(route.method, path, {
        headers: { 'if-match': '"987654"' },
        ...(route.body === undefined ? {} : { body: bodies[name] ?? {} }),
      });
      expect([name, status]).toEqual([name, 412]);
    }
  });
});

describe('an idempotency key', () => {
  const creates = (Object.entries(routes) as [RouteName, RouteDefinition][]).filter(
    ([, { idempotent }]) => idempotent === true,
  );
  test('every create that takes one has a get that can show what it made', () => {
    for (const [name] of creates) expect(routes).toHaveProperty([name.replace(/[^.]+$/, 'get')]);
  });

  test('gives the first answer again, and refuses another body or route', async () => {
    const headers = { 'idempotency-key': 'k-1' };
    const first = await ask('POST', '/jobs', { body: patientJob(), headers });
    const again = await ask('POST', '/jobs', { body: patientJob(), headers });
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    const other = await ask('POST', '/jobs', { body: patientJob('other'), headers });
    const elsewhere = await ask('POST', '/queues', { body: { name: 'elsewhere' }, headers });
    for (const { status, body } of [other, elsewhere])
      expect([status, body.error.code]).toEqual([409, 'idempotency_mismatch']);
    expect((await ask('GET', '/queues/elsewhere')).status).toBe(404);
  });

  test('two at the same moment have one effect', async () => {
    const before = (await ask('GET', '/jobs?limit=500')).body.items.length as number;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        ask('POST', '/jobs', { body: patientJob(), headers: { 'idempotency-key': 'k-2' } }),
      ),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await ask('GET', '/jobs?limit=500')).body.items).toHaveLength(before + 1);
  });

  test('of a refused request is free again', async () => {
    const headers = { 'idempotency-key': 'k-3' };
    expect((await ask('POST', '/queues', { body: { name: 'default' }, headers })).status).toBe(409);
    expect((await ask('POST', '/queues', { body: { name: 'fresh' }, headers })).status).toBe(201);
  });

  test('belongs to its tenant', async () => {
    await home.operator.call('tenants.create', { body: { name: 'second' } });
    const headers = { 'idempotency-key': 'k-4' };
    const here = await ask('POST', '/queues', { body: { name: 'same' }, headers });
    const there = await ask('POST', '/queues', {
      body: { name: 'same' },
      headers: { ...headers, 'gantry-tenant': 'second' },
    });
    expect([here.body.tenant, there.body.tenant]).toEqual(['default', 'second']);
  });
});

describe('a page', () => {
  test.each([
    ['limit=0', 422],
    ['limit=501', 422],
    ['limit=many', 422],
    ['limit=1.5', 422],
    ['limit=500', 200],
    ['cursor=not-ours', 422],
    [`cursor=${'x'.repeat(401)}`, 422],
    ["cursor=job_1'%3B--", 422],
  ])('?%s → %d', async (query, status) => {
    for (const list of ['jobs', 'users', 'events', 'models', 'endpoints', 'queues', 'keys', 'nodes'])
      expect([list, (await ask('GET', `/${list}?${query}`)).status]).toEqual([list, status]);
  });

  test('after page shows everything once', async () => {
    for (let index = 0; index < 7; index += 1)
      await ask('POST', '/users', { body: { name: `page-${index}` } });
    for (const list of ['users', 'queues', 'keys', 'events'] as const) {
      const all = (await ask('GET', `/${list}?limit=500`)).body.items as { id?: string; seq?: number }[];
      const seen: unknown[] = [];
      let cursor = '';
      do {
        const { body } = await ask('GET', `/${list}?limit=3${cursor}`);
        expect(body.items.length).toBeLessThanOrEqual(3);
        seen.push(...(body.items as unknown[]));
        cursor = body.nextCursor === undefined ? '' : `&cursor=${body.nextCursor}`;
      } while (cursor !== '');
      expect(seen).toEqual(all);
    }
  });
});

async function insertModelAndEndpoint(name: string): Promise<void> {
  const { deps } = home.server.platform;
  const tenantId =
    (await deps.store.read({ platform: true }, (tx) => tx.list('tenant', { limit: 1, newestFirst: false })))
      .items[0]?.id ?? '';
  for (const [kind, id, status] of [
    ['model', 'mdl_0123456789abcdefghjkmnpqrs', { aliases: {}, latest: 1 }],
    ['endpoint', 'ept_0123456789abcdefghjkmnpqrs', {}],
  ] as const)
    await deps.store.tx({ tenantId }, (tx) =>
      tx.insert({
        kind,
        id,
        tenantId,
        name,
        state: 'ready',
        spec: { model: `${name}@1`, replicas: 0 },
        status,
      }),
    );
}
