/** Whoever changes something leaves an event with who, what and the request's id: every write route, done once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Event, type RouteDefinition, type RouteName, routes } from '@gantry/contract';
import { writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

/** What changes nothing that is kept. */
const withoutEvent: readonly RouteName[] = [
  // An opinion about one answer, held in memory; what it leads to is told by `endpoint.promoted` and `.rolled_back`.
  'endpoints.feedback',
  // A policy that is only tried: it answers and leaves everything as it is.
  'scheduling.trial',
];

let home: MemoryServer;
let models: string;
beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'gantry-audit-'));
  home = await startMemoryServer();
}, 180_000);
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await rm(models, { recursive: true, force: true });
});

interface Write {
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly key?: string;
}

test('every write leaves an event', async () => {
  const done = new Set<RouteName>();
  const write = async (name: RouteName, { params = {}, body, key }: Write = {}): Promise<Answer['body']> => {
    const route: RouteDefinition = routes[name];
    const isBytes = body instanceof Uint8Array;
    const answer = await home.ask(
      route.method,
      route.path.replaceAll(/:(\w+)/g, (_all, word: string) => params[word] ?? expect.fail(word)),
      {
        ...(route.permission === 'public' ? {} : { key: key ?? home.operatorKey }),
        ...(body === undefined ? {} : { body }),
        ...(isBytes ? { headers: { 'content-type': 'application/octet-stream' } } : {}),
      },
    );
    expect([name, answer.status, answer.text]).toEqual([name, route.successStatus ?? 200, answer.text]);
    const requestId = answer.headers.get('x-request-id');
    const tenants = ['default', 'audited'];
    const events: Event[] = [];
    for (const tenant of tenants)
      events.push(
        ...((
          await home.ask('GET', '/api/v1/events?limit=500', {
            key: home.operatorKey,
            headers: { 'gantry-tenant': tenant },
          })
        ).body.items ?? []),
      );
    const mine = events.filter((event) => event.requestId === requestId);
    expect([name, mine.map(({ actor }) => actor)]).toEqual([
      name,
      expect.arrayContaining([expect.any(String)]),
    ]);
    expect([name, JSON.stringify(mine)]).toEqual([
      name,
      expect.not.stringMatching(/gk_\w+_\w+|gi_\w+_\w+|sesame/),
    ]);
    done.add(name);
    return answer.body;
  };
  const named = (name: string): Write => ({ params: { name } });

  await write('tenants.create', { body: { name: 'audited' } });
  await write('users.create', { body: { name: 'ann' } });
  await write('users.update', { ...named('ann'), body: { role: 'viewer' } });
  const key = await write('keys.create', { body: { user: 'ann', scopes: ['read'] } });
  const next = await write('keys.rotate', { params: { id: key.id }, body: {} });
  await write('keys.revoke', { params: { id: next.id } });
  await write('users.delete', named('ann'));
  const { token } = await write('invitations.create', { body: { name: 'bob' } });
  await write('invitations.accept', { body: { token } });
  await write('invitations.create', { body: { name: 'eve' } });
  await write('invitations.revoke', named('eve'));

  await write('queues.create', { body: { name: 'side' } });
  await write('queues.update', { ...named('side'), body: { weight: 2 } });
  await write('scheduling.setQueue', { ...named('side'), body: { order: 'fifo' } });
  await write('scheduling.set', { body: {} });
  await write('queues.delete', named('side'));
  const { name: node } = (await home.operator.call('nodes.list', {})).items[0] ?? expect.fail('no node');
  await write('nodes.update', { ...named(node), body: { labels: { pool: 'fast' } } });
  for (const action of ['cordon', 'return']) await write('nodes.act', { params: { name: node, action } });

  await write('secrets.set', { ...named('door'), body: { value: 'sesame' } });
  await write('secrets.delete', named('door'));
  await write('uploads.create', { body: new Uint8Array(1024) });
  await write('jobs.submit', {
    body: { name: 'patient', command: 'true', resources: { gpu: 9_000 }, waitForCapacity: true },
  });
  await write('jobs.cancel', named('patient'));
  await write('jobs.retry', named('patient'));
  await write('jobs.suspend', named('patient'));
  await write('jobs.resume', named('patient'));
  await write('jobs.cancel', named('patient'));
  await write('jobs.delete', named('patient'));

  for (const seed of [1, 2]) {
    const path = join(models, `v${seed}.gguf`);
    await writePermutationModel(path, { seed });
    await write('models.import', { body: { name: 'lm', path } });
  }
  await write('models.alias', { params: { name: 'lm', alias: 'best' }, body: { version: 2 } });
  await write('models.gate', { ...named('lm'), body: { required: 'derived' } });
  await write('models.evaluate', {
    params: { name: 'lm', number: '2' },
    body: { data: { digest: `sha256:${'0'.repeat(64)}`, bytes: 0 } },
  });
  await write('limits.set', { body: {} });
  await write('endpoints.create', { body: { name: 'chat', model: 'lm@1', replicas: 0 } });
  await write('endpoints.connect', {
    body: { name: 'far', engine: 'oip', urls: ['http://127.0.0.1:9'], modelName: 'm' },
  });
  await write('endpoints.update', { ...named('chat'), body: { cacheSeconds: 5 } });
  await write('endpoints.rollout', { ...named('chat'), body: { to: 'lm@2', percent: 5 } });
  await write('endpoints.promote', named('chat'));
  await write('endpoints.rollback', named('chat'));
  await write('endpoints.delete', named('chat'));
  await write('models.delete', named('lm'));

  const writes = (Object.entries(routes) as [RouteName, RouteDefinition][]).filter(
    ([, { method }]) => method !== 'GET',
  );
  expect([...done].sort()).toEqual(
    writes
      .map(([name]) => name)
      .filter((name) => !withoutEvent.includes(name))
      .sort(),
  );
});
