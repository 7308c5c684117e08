/** Invitations, keys and users as people meet them over HTTP. */
import { type InvitationSpecRecord, issueKey } from '@gantry/control';
import { type Client, createClient } from '@gantry/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { refusal } from '../testing/refusal.ts';

let home: MemoryServer;
let admin: Client;
let member: Client;
const clientOf = (key: string): Client => createClient({ baseUrl: home.server.url, key });
const guest = (): Client => createClient({ baseUrl: home.server.url });

beforeAll(async () => {
  home = await startMemoryServer();
  admin = clientOf(await home.keyOf('default', 'ada', 'admin'));
  member = clientOf(await home.keyOf('default', 'max', 'member', ['read', 'write']));
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

describe('an invitation', () => {
  test('turns its token into a user with a key, once', async () => {
    const { token, state } = await admin.call('invitations.create', {
      body: { name: 'ines', role: 'viewer' },
    });
    expect(state).toBe('open');
    expect((await admin.call('users.get', { params: { name: 'ines' } })).state).toBe('invited');
    const { secret } = await guest().call('invitations.accept', { body: { token } });
    expect(await clientOf(secret).call('auth.whoami', {})).toEqual({
      tenant: 'default',
      user: 'ines',
      role: 'viewer',
      scopes: ['read', 'infer'],
    });
    expect((await admin.call('users.get', { params: { name: 'ines' } })).state).toBe('active');
    expect(await refusal(guest().call('invitations.accept', { body: { token } }))).toMatchObject({
      code: 'invitation_invalid',
      status: 401,
    });
    expect((await admin.call('invitations.list', {})).items).toEqual([]);
  });

  test('brought twice at the same moment makes one user', async () => {
    const { token } = await admin.call('invitations.create', { body: { name: 'twin' } });
    const answers = await Promise.allSettled(
      [1, 2, 3].map(() => guest().call('invitations.accept', { body: { token } })),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const keys = (await admin.call('keys.list', {})).items.filter(({ user }) => user === 'twin');
    expect(keys).toHaveLength(1);
  });

  test('taken back or replaced by a newer one, it opens nothing', async () => {
    const first = await admin.call('invitations.create', { body: { name: 'olga' } });
    const second = await admin.call('invitations.create', { body: { name: 'olga', role: 'viewer' } });
    expect((await refusal(guest().call('invitations.accept', { body: first }))).code).toBe('unknown_field');
    for (const token of [first.token, `${second.token.slice(0, -1)}!`, 'gi_'])
      expect((await refusal(guest().call('invitations.accept', { body: { token } }))).code).toBe(
        'invitation_invalid',
      );
    await admin.call('invitations.revoke', { params: { name: 'olga' } });
    expect((await refusal(guest().call('invitations.accept', { body: second }))).code).toBe('unknown_field');
    expect((await refusal(guest().call('invitations.accept', { body: { token: second.token } }))).code).toBe(
      'invitation_invalid',
    );
    expect((await refusal(admin.call('users.get', { params: { name: 'olga' } }))).status).toBe(404);
  });

  test('past its end it says so, and says whom to ask', async () => {
    const { token, id } = await admin.call('invitations.create', { body: { name: 'late' } });
    await home.server.platform.deps.store.tx({ platform: true }, async (tx) => {
      const row = await tx.get('invitation', id);
      const spec = row?.spec as InvitationSpecRecord;
      await tx.update('invitation', id, { spec: { ...spec, expiresAt: '2020-01-01T00:00:00.000Z' } });
    });
    const listed = (await admin.call('invitations.list', {})).items.find(({ name }) => name === 'late');
    expect(listed).toMatchObject({ state: 'expired', invitedBy: 'ada' });
    const error = await refusal(guest().call('invitations.accept', { body: { token } }));
    expect(error).toMatchObject({ code: 'invitation_expired', hint: 'ask ada for a new one' });
  });

  test('cannot grant more than its maker has, nor take the name of somebody who is here', async () => {
    const beyond = admin.call('invitations.create', { body: { name: 'boss', role: 'operator' } });
    expect((await refusal(beyond)).code).toBe('forbidden');
    const taken = admin.call('invitations.create', { body: { name: 'max' } });
    expect((await refusal(taken)).code).toBe('already_exists');
  });

  test('never shows its token or its hash again', async () => {
    const { token } = await admin.call('invitations.create', { body: { name: 'quiet' } });
    const list = JSON.stringify(await admin.call('invitations.list', {}));
    const events = JSON.stringify(await admin.call('events.list', { query: { limit: 500 } }));
    expect(`${list}${events}`).not.toContain(token.slice(-32));
    expect(list).not.toContain('hash');
  });
});

describe('a key', () => {
  test('does no more than its scopes, whatever its holder may', async () => {
    const { secret } = await admin.call('keys.create', { body: { scopes: ['read'] } });
    const reader = clientOf(secret);
    expect((await reader.call('auth.whoami', {})).scopes).toEqual(['read']);
    expect((await refusal(reader.call('users.create', { body: { name: 'x' } }))).status).toBe(403);
  });

  test('makes no key that does more than itself', async () => {
    const error = await refusal(member.call('keys.create', { body: { scopes: ['read', 'infer'] } }));
    expect(error).toMatchObject({ code: 'forbidden', message: 'your key lacks the scopes infer' });
  });

  test('does not take over a wider key of the same user by rotating it', async () => {
    const wide = await admin.call('keys.create', { body: { scopes: ['read', 'write', 'admin'] } });
    const narrow = clientOf((await admin.call('keys.create', { body: { scopes: ['read'] } })).secret);
    for (const route of ['keys.rotate', 'keys.revoke'] as const)
      expect((await refusal(narrow.call(route, { params: { id: wide.id } }))).status).toBe(403);
  });

  test('of an operator is out of reach for an admin of the same tenant', async () => {
    const { items } = await admin.call('keys.list', {});
    const operators = items.find(({ user }) => user === 'operator');
    expect(operators).toBeDefined();
    const id = operators?.id ?? '';
    for (const route of ['keys.rotate', 'keys.revoke'] as const)
      expect((await refusal(admin.call(route, { params: { id } }))).code).toBe('forbidden');
  });

  test('rotated, stops at once, or after the overlap', async () => {
    const old = await admin.call('keys.create', { body: { scopes: ['read'] } });
    const next = await clientOf(old.secret).call('keys.rotate', { params: { id: old.id } });
    expect(next.scopes).toEqual(['read']);
    expect((await refusal(clientOf(old.secret).call('auth.whoami', {}))).status).toBe(401);
    const third = await clientOf(next.secret).call('keys.rotate', {
      params: { id: next.id },
      body: { overlapHours: 1 },
    });
    for (const secret of [next.secret, third.secret]) await clientOf(secret).call('auth.whoami', {});
    await clientOf(third.secret).call('keys.revoke', { params: { id: next.id } });
    expect((await refusal(clientOf(next.secret).call('auth.whoami', {}))).status).toBe(401);
    expect((await refusal(admin.call('keys.rotate', { params: { id: old.id } }))).code).toBe(
      'invalid_transition',
    );
  });

  test('past its end says that it expired', async () => {
    const { deps } = home.server.platform;
    const secret = await deps.store.tx({ platform: true }, async (tx) => {
      const ada = (await tx.list('user', { limit: 500, newestFirst: false })).items.find(
        ({ name }) => name === 'ada',
      );
      const issued = await issueKey(tx, {
        tenantId: ada?.tenantId ?? '',
        principalId: ada?.id ?? '',
        scopes: ['read'],
        nowMs: deps.clock.nowMs(),
        expiresAt: '2021-01-01T00:00:00.000Z',
      });
      return issued.secret;
    });
    expect(await refusal(clientOf(secret).call('auth.whoami', {}))).toMatchObject({
      code: 'key_expired',
      status: 401,
    });
  });

  test('is listed without its secret, to its holder and to admins only, page by page', async () => {
    const mine = (await member.call('keys.list', {})).items;
    expect(mine.every(({ user }) => user === 'max')).toBe(true);
    const all: string[] = [];
    for await (const key of admin.pages('keys.list', { query: { limit: 2 } })) all.push(key.id);
    expect(all).toEqual((await admin.call('keys.list', { query: { limit: 500 } })).items.map(({ id }) => id));
    expect(all.length).toBeGreaterThan(2);
  });
});

describe('a user', () => {
  test('disabled has no working key; enabled again it has', async () => {
    const secret = await home.keyOf('default', 'dora', 'member');
    await admin.call('users.update', { params: { name: 'dora' }, body: { state: 'disabled' } });
    expect((await refusal(clientOf(secret).call('auth.whoami', {}))).status).toBe(401);
    await admin.call('users.update', { params: { name: 'dora' }, body: { state: 'active' } });
    expect((await clientOf(secret).call('auth.whoami', {})).user).toBe('dora');
  });

  test('gets another role at once, within the rights of who gives it', async () => {
    const secret = await home.keyOf('default', 'rolf', 'viewer');
    expect((await refusal(clientOf(secret).call('queues.create', { body: { name: 'q' } }))).status).toBe(403);
    await admin.call('users.update', { params: { name: 'rolf' }, body: { role: 'admin' } });
    expect((await clientOf(secret).call('queues.create', { body: { name: 'q' } })).name).toBe('q');
    for (const [name, body] of [
      ['rolf', { role: 'operator' }],
      ['operator', { role: 'viewer' }],
      ['ada', { role: 'viewer' }],
    ] as const)
      expect((await refusal(admin.call('users.update', { params: { name }, body }))).code).toBe('forbidden');
  });

  test('removed takes its keys along', async () => {
    const secret = await home.keyOf('default', 'paul', 'member');
    await admin.call('users.delete', { params: { name: 'paul' } });
    expect((await refusal(clientOf(secret).call('auth.whoami', {}))).status).toBe(401);
    expect((await refusal(admin.call('users.delete', { params: { name: 'ada' } }))).code).toBe('forbidden');
  });

  test('as a service account works with the scopes of its key', async () => {
    await admin.call('users.create', { body: { name: 'ci', kind: 'service-account', role: 'member' } });
    const { secret } = await admin.call('keys.create', {
      body: { user: 'ci', scopes: ['write'], expiresInDays: 30 },
    });
    const ci = clientOf(secret);
    expect((await refusal(ci.call('jobs.list', {}))).code).toBe('forbidden');
    const job = await ci.call('jobs.submit', {
      body: { command: 'true', resources: { gpu: 900 }, waitForCapacity: true },
    });
    expect(job.user).toBe('ci');
    await ci.call('jobs.cancel', { params: { name: job.name } });
  });
});
