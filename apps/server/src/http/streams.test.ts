/** Server-sent events over a real socket: who watches sees every change once, in order, and only what is theirs. */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import type { Endpoint, Queue } from '@gantry/contract';
import { type ServerEvent, createClient } from '@gantry/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

/** The next event that fits, of a stream that stays open. */
function readerOf(events: AsyncIterable<ServerEvent>) {
  const iterator = events[Symbol.asyncIterator]();
  return {
    next: async (fits: (event: ServerEvent) => boolean = () => true): Promise<ServerEvent> => {
      for (;;) {
        const { value, done } = (await iterator.next()) as IteratorResult<ServerEvent, undefined>;
        if (done === true) return expect.fail('the stream ended');
        if (fits(value)) return value;
      }
    },
    leave: () => iterator.return?.(),
  };
}

/** The first tenant there was. */
async function defaultTenantId(): Promise<string> {
  const { store } = home.server.platform.deps;
  const { items } = await store.read({ platform: true }, (tx) =>
    tx.list('tenant', { limit: 1, newestFirst: false }),
  );
  return items[0]?.id ?? expect.fail('no tenant');
}

const event = async (...types: readonly string[]): Promise<void> => {
  const tenantId = await defaultTenantId();
  await home.server.platform.deps.store.tx({ tenantId }, async (tx) => {
    for (const type of types)
      await tx.event({
        tenantId,
        kind: 'job',
        resourceId: 'job_none',
        type,
        actor: 'test',
        reason: { padding },
      });
  });
};
const padding = 'x'.repeat(4_000);

describe('the feed', () => {
  test('resumes after the event a browser names, and leaves nothing out', async () => {
    for (const type of ['one', 'two', 'three']) await event(`resume.${type}`);
    const { items } = await home.operator.call('events.list', { query: { limit: 500 } });
    const first = items.find(({ type }) => type === 'resume.one') ?? expect.fail('no event');
    const leaving = new AbortController();
    const response = await fetch(`${home.server.url}/api/v1/events/watch`, {
      headers: { authorization: `Bearer ${home.operatorKey}`, 'last-event-id': String(first.seq) },
      signal: leaving.signal,
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    expect(response.headers.get('cache-control')).toBe('no-store');
    await event('resume.four');
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes('resume.four')) break;
    }
    expect([...text.matchAll(/^event: (resume\.\w+)$/gm)].map((match) => match[1])).toEqual([
      'resume.two',
      'resume.three',
      'resume.four',
    ]);
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    expect(ids).toEqual(ids.toSorted((one, other) => one - other));
    leaving.abort();
  });

  test('shows nobody what happens in another tenant', async () => {
    await home.operator.call('tenants.create', { body: { name: 'elsewhere' } });
    const key = await home.keyOf('elsewhere', 'stranger', 'admin');
    const stranger = createClient({ baseUrl: home.server.url, key });
    const feed = readerOf(stranger.watch('events.watch', { query: { since: 0 } }));
    await event('not.theirs');
    await stranger.call('queues.create', { body: { name: 'theirs' } });
    const seen: ServerEvent[] = [];
    await feed.next((each) => {
      seen.push(each);
      return each.event === 'queue.created' && JSON.stringify(each.data).includes('elsewhere');
    });
    expect(seen.map((each) => each.event)).not.toContain('not.theirs');
    expect(new Set(seen.map(({ data }) => (data as { tenant: string }).tenant))).toEqual(
      new Set(['elsewhere']),
    );
    await feed.leave();
  });

  test('waits for a client that does not read, holds nothing for it, and then tells everything', async () => {
    const { url } = home.server;
    const since = (await home.operator.call('events.list', { query: { limit: 1 } })).items[0]?.seq ?? 0;
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    socket.write(
      `GET /api/v1/events/watch?since=${since} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${home.operatorKey}\r\n\r\n`,
    );
    const count = 3_000;
    const types = Array.from({ length: count }, (_, index) => `slow.${index}`);
    for (let first = 0; first < count; first += 500) await event(...types.slice(first, first + 500));
    // The others go on meanwhile.
    expect((await home.ask('GET', '/api/v1/whoami', { key: home.operatorKey })).status).toBe(200);
    const text = await readUntil(socket, `event: slow.${count - 1}\n`);
    const told = [...text.matchAll(/^event: slow\.(\d+)$/gm)].map((match) => Number(match[1]));
    expect(told).toEqual(Array.from({ length: count }, (_, index) => index));
    socket.destroy();
  });
});

describe('one resource', () => {
  test('a queue: as it is, after each change, and its end', async () => {
    const { operator } = home;
    await operator.call('queues.create', { body: { name: 'watched' } });
    const params = { name: 'watched' };
    const watch = readerOf(operator.watch('queues.watch', { params }));
    expect((await watch.next()).data).toMatchObject({ name: 'watched', weight: 1, waiting: 0 });
    await operator.call('queues.update', { params, body: { weight: 3 } });
    await watch.next(({ data }) => (data as Queue).weight === 3);
    await operator.call('jobs.submit', {
      body: {
        name: 'in-queue',
        queue: 'watched',
        command: 'true',
        resources: { gpu: 9_000 },
        waitForCapacity: true,
      },
    });
    await watch.next(({ data }) => (data as Queue).waiting === 1);
    await operator.call('jobs.cancel', { params: { name: 'in-queue' } });
    await watch.next(({ data }) => (data as Queue).waiting === 0);
    await operator.call('queues.delete', { params });
    await watch.next(({ event: kind }) => kind === 'end');
  });

  test('a machine', async () => {
    const { operator } = home;
    const { name } = (await operator.call('nodes.list', {})).items[0] ?? expect.fail('no machine');
    const watch = readerOf(operator.watch('nodes.watch', { params: { name } }));
    expect((await watch.next()).data).toMatchObject({ name, state: 'ready' });
    await operator.call('nodes.act', { params: { name, action: 'cordon' } });
    await watch.next(({ data }) => (data as { state: string }).state === 'cordoned');
    await operator.call('nodes.act', { params: { name, action: 'return' } });
    await watch.next(({ data }) => (data as { state: string }).state === 'ready');
    await watch.leave();
  });

  test('a job, to its end', async () => {
    const { operator } = home;
    const { id } = await operator.call('jobs.submit', { body: { name: 'short', command: 'true' } });
    const seen = await Array.fromAsync(operator.watch('jobs.watch', { params: { name: id } }));
    expect(seen.map((each) => each.event).at(-1)).toBe('end');
    expect(seen.at(-2)?.data).toMatchObject({ state: 'succeeded' });
  });

  test('a model and an endpoint', async () => {
    const { operator, server } = home;
    const { deps } = server.platform;
    const tenantId = await defaultTenantId();
    await deps.store.tx({ tenantId }, async (tx) => {
      await tx.insert({
        kind: 'model',
        id: 'mdl_0123456789abcdefghjkmnpqrs',
        tenantId,
        name: 'lm',
        state: 'active',
        spec: {},
        status: { aliases: {}, latest: 1 },
      });
      await tx.insert({
        kind: 'model-version',
        id: 'mv_0123456789abcdefghjkmnpqrs',
        tenantId,
        name: 'lm@1',
        state: 'active',
        parentId: 'mdl_0123456789abcdefghjkmnpqrs',
        spec: { model: 'lm', number: 1, formats: ['gguf'], bytes: 0, files: [], metrics: {}, lineage: {} },
        status: {},
      });
      await tx.insert({
        kind: 'endpoint',
        id: 'ept_0123456789abcdefghjkmnpqrs',
        tenantId,
        name: 'chat',
        state: 'stopped',
        spec: { model: 'lm@1', modelVersionId: 'mv_1', replicas: 0, revision: 1, lastRevision: 1, slots: 1 },
        status: {},
      });
    });
    const model = readerOf(operator.watch('models.watch', { params: { name: 'lm' } }));
    const endpoint = readerOf(operator.watch('endpoints.watch', { params: { name: 'chat' } }));
    expect((await model.next()).data).toMatchObject({ name: 'lm', aliases: {} });
    expect((await endpoint.next()).data).toMatchObject({ name: 'chat', model: 'lm@1' });
    await operator.call('models.alias', { params: { name: 'lm', alias: 'best' }, body: { version: 1 } });
    await model.next(({ data }) => (data as { aliases: Record<string, number> }).aliases['best'] === 1);
    await operator.call('endpoints.update', { params: { name: 'chat' }, body: { cacheSeconds: 7 } });
    await endpoint.next(({ data }) => (data as Endpoint).cacheSeconds === 7);
    await operator.call('endpoints.delete', { params: { name: 'chat' } });
    await operator.call('models.delete', { params: { name: 'lm' } });
    await endpoint.next(({ event: kind }) => kind === 'end');
    await model.next(({ event: kind }) => kind === 'end');
  });

  test.each(['jobs', 'queues', 'nodes', 'models', 'endpoints'])(
    'that is not there is an ordinary refusal: /%s/ghost/watch',
    async (kind) => {
      const { status, body } = await home.ask('GET', `/api/v1/${kind}/ghost/watch`, {
        key: home.operatorKey,
      });
      expect([status, body.error.code]).toEqual([404, 'not_found']);
    },
  );
});

describe('a server that stops', () => {
  test('ends its streams at once and does not wait for those who hold them', async () => {
    const other = await startMemoryServer();
    const raw = connect(Number(new URL(other.server.url).port), '127.0.0.1');
    await once(raw, 'connect');
    raw.write(
      `GET /api/v1/events/watch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${other.operatorKey}\r\n\r\n`,
    );
    await once(raw, 'data');
    const ended = once(raw, 'close');
    await other[Symbol.asyncDispose]();
    await ended;
  });
});

async function readUntil(socket: Socket, mark: string): Promise<string> {
  let text = '';
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString();
    if (text.includes(mark)) break;
  }
  return text;
}

describe('a key that ends', () => {
  const open = async (key: string) => {
    const response = await fetch(`${home.server.url}/api/v1/events/watch`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(200);
    return response;
  };

  test.each([
    ['is revoked', (id: string) => home.operator.call('keys.revoke', { params: { id } })],
    [
      'loses its holder',
      () => home.operator.call('users.update', { params: { name: 'is-left' }, body: { state: 'disabled' } }),
    ],
  ] as const)('because it %s takes its open streams with it, and says so', async (_why, end) => {
    const user = `is-${_why === 'is revoked' ? 'cut' : 'left'}`;
    await home.operator.call('users.create', { body: { name: user, role: 'viewer' } });
    const { id, secret } = await home.operator.call('keys.create', { body: { user, scopes: ['read'] } });
    const stream = await open(secret);
    await event('before.the.end');
    await end(id);
    expect(await stream.text()).toMatch(/event: error\ndata: .*"unauthenticated".*works no more/);
  });
});
