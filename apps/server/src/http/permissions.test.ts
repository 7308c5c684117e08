/** Who may do what: every route of the contract times every kind of caller. Expectations come from the table. */
import { type Permission, type RouteDefinition, type RouteName, routes } from '@gantry/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

const callers = [
  'anonymous',
  'viewer',
  'member',
  'admin',
  'operator',
  'reader account',
  'inference account',
] as const;
type Caller = (typeof callers)[number];

const allowed: Readonly<Record<Caller, readonly Permission[]>> = {
  anonymous: ['public'],
  viewer: ['public', 'read'],
  member: ['public', 'read', 'write'],
  admin: ['public', 'read', 'write', 'admin'],
  operator: ['public', 'read', 'write', 'admin', 'operator'],
  'reader account': ['public', 'read'],
  'inference account': ['public'],
};

/** Bodies that parse, and change nothing that exists. */
const bodies: Partial<Record<RouteName, unknown>> = {
  'tenants.create': { name: 'default' },
  'users.create': { name: 'operator' },
  'users.update': { state: 'active' },
  'invitations.create': { name: 'operator' },
  'invitations.accept': { token: 'gi_no' },
  'keys.create': { user: 'ghost' },
  'queues.create': { name: 'default' },
  'queues.update': {},
  'secrets.set': { value: 'x' },
  'jobs.submit': { command: 'true', resources: { gpu: 9_000 } },
  'models.import': { name: 'ghost', path: '/nowhere' },
  'models.alias': { version: 1 },
  'models.evaluate': { data: { digest: `sha256:${'0'.repeat(64)}`, bytes: 0 } },
  'endpoints.create': { name: 'ghost', model: 'ghost' },
  'endpoints.connect': {
    name: 'ghost',
    engine: 'oip',
    urls: ['https://models.example.com'],
    modelName: 'ghost',
    secret: 'ghost',
  },
  'endpoints.update': { replicas: 0 },
  'endpoints.rollout': { to: 'ghost@2', percent: 1 },
  'endpoints.feedback': { requestId: 'req_ghost', score: 1 },
};
/** Refused by more than the permission of the table. */
const operatorOnly: readonly RouteName[] = ['models.import'];

const table = Object.entries(routes) as [RouteName, RouteDefinition][];
const pathOf = (route: RouteDefinition, name: string): string =>
  route.path
    .replace(':alias', 'best')
    .replace(':action', 'cordon')
    .replaceAll(/:\w+/g, name)
    .concat(route.path.endsWith('/logs') ? '?rank=0' : '')
    .concat(route.path.endsWith('/output') ? '?path=a' : '');

let home: MemoryServer;
const keys = new Map<Caller | 'stranger', string>();

beforeAll(async () => {
  home = await startMemoryServer();
  keys.set('operator', home.operatorKey);
  for (const role of ['viewer', 'member', 'admin'] as const)
    keys.set(role, await home.keyOf('default', role, role));
  keys.set('reader account', await home.keyOf('default', 'reader', 'admin', ['read']));
  keys.set('inference account', await home.keyOf('default', 'inference', 'admin', ['infer']));
  await home.operator.call('tenants.create', { body: { name: 'elsewhere' } });
  keys.set('stranger', await home.keyOf('elsewhere', 'stranger', 'admin'));
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

const send = (name: RouteName, who: Caller | 'stranger', target: string): Promise<Answer> => {
  const route: RouteDefinition = routes[name];
  const key = keys.get(who);
  return home.ask(route.method, pathOf(route, target), {
    ...(key === undefined ? {} : { key }),
    ...(route.body === undefined ? {} : { body: bodies[name] ?? {} }),
  });
};

describe.each(callers)('%s', (who) => {
  test.each(table)('%s', async (name, route) => {
    const { status, body, headers } = await send(name, who, 'ghost');
    expect(headers.get('x-request-id')).toBeTruthy();
    const isAllowed =
      allowed[who].includes(route.permission) && (who === 'operator' || !operatorOnly.includes(name));
    if (isAllowed) {
      const isRefusedToken = name === 'invitations.accept' && body.error.code === 'invitation_invalid';
      expect(isRefusedToken || ![401, 403].includes(status), `${status} ${JSON.stringify(body)}`).toBe(true);
      expect(status, JSON.stringify(body)).toBeLessThan(500);
    } else {
      expect(status).toBe(who === 'anonymous' ? 401 : 403);
      expect(body.error).toMatchObject({ message: expect.any(String), requestId: expect.any(String) });
    }
  });
});

describe('an admin of another tenant', () => {
  /** What exists in the default tenant, by the word its routes begin with. */
  const targets = new Map<string, readonly string[]>();

  beforeAll(async () => {
    const { operator, server } = home;
    const { deps } = server.platform;
    await operator.call('queues.create', { body: { name: 'theirs' } });
    const queue = await operator.call('queues.get', { params: { name: 'theirs' } });
    const job = await operator.call('jobs.submit', {
      body: { name: 'theirs', command: 'true', resources: { gpu: 9_000 }, waitForCapacity: true },
    });
    const user = await operator.call('users.create', { body: { name: 'theirs' } });
    const key = await operator.call('keys.create', { body: { user: 'theirs', scopes: ['read'] } });
    const invitation = await operator.call('invitations.create', { body: { name: 'guest' } });
    const { tenantId } = (await deps.store.read({ platform: true }, (tx) => tx.get('job', job.id)))!;
    const rows = [
      ['model', 'mdl_0123456789abcdefghjkmnpqrs', { aliases: {}, latest: 1 }],
      ['endpoint', 'ept_0123456789abcdefghjkmnpqrs', {}],
    ] as const;
    for (const [kind, id, status] of rows)
      await deps.store.tx({ tenantId }, (tx) =>
        tx.insert({
          kind,
          id,
          tenantId,
          name: 'theirs',
          state: 'ready',
          spec: { model: 'theirs@1' },
          status,
        }),
      );
    await operator.call('secrets.set', { params: { name: 'theirs' }, body: { value: 'x' } });
    targets.set('secrets', ['theirs']);
    targets.set('queues', ['theirs', queue.id]);
    targets.set('jobs', ['theirs', job.id]);
    targets.set('scheduling', ['theirs', queue.id]);
    targets.set('users', ['theirs', user.id]);
    targets.set('keys', [key.id]);
    targets.set('invitations', ['guest', invitation.id]);
    targets.set('models', ['theirs', 'mdl_0123456789abcdefghjkmnpqrs']);
    targets.set('endpoints', ['theirs', 'ept_0123456789abcdefghjkmnpqrs']);
  });

  const named = table.filter(
    ([name, { path, permission }]) =>
      /:(name|id)/.test(path) &&
      !name.startsWith('nodes.') &&
      !['public', 'operator'].includes(permission) &&
      // Writes a row of the caller's own, whatever others have.
      name !== 'secrets.set',
  );

  test.each(named)('%s: what exists here is not there', async (name) => {
    for (const target of targets.get(name.split('.')[0] ?? '') ?? expect.fail(`no target for ${name}`)) {
      const there = await send(name, 'stranger', target);
      const nowhere = await send(name, 'stranger', target.includes('_') ? `x${target.slice(1)}` : 'ghost');
      expect(there.status).toBe(404);
      const shape = ({ body }: Answer, word: string): unknown => ({
        ...body.error,
        message: body.error.message.replaceAll(word, 'NAME'),
        hint: body.error.hint?.replaceAll(word, 'NAME'),
        requestId: '',
      });
      expect(shape(there, target)).toEqual(
        shape(nowhere, target.includes('_') ? `x${target.slice(1)}` : 'ghost'),
      );
    }
  });

  test.each(['jobs', 'models', 'endpoints', 'users', 'keys', 'invitations', 'queues', 'events', 'usage'])(
    'lists none of our %s',
    async (word) => {
      const { status, text } = await home.ask('GET', `/api/v1/${word}`, { key: keys.get('stranger') ?? '' });
      expect(status).toBe(200);
      expect(text).not.toMatch(/theirs|guest/);
    },
  );

  test('cannot name our tenant, and does not learn whether a tenant exists', async () => {
    const answers: Answer[] = [];
    for (const tenant of ['default', 'no-such-tenant'])
      answers.push(
        await home.ask('GET', '/api/v1/jobs', {
          key: keys.get('stranger') ?? '',
          headers: { 'gantry-tenant': tenant },
        }),
      );
    expect(answers.map(({ status, body }) => [status, body.error.message])).toEqual([
      [403, 'you cannot act for this tenant'],
      [403, 'you cannot act for this tenant'],
    ]);
  });
});
