import { GantryError, type User } from '@gantry/contract';
import { type UserSpecRecord, createTenant, findOr404, issueKey } from '@gantry/control';
import { createId } from '@gantry/kit';
import type { ApiKeyRow, Row } from '@gantry/ports';
import type { Handlers, Principal } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';

type AccessRoutes = Pick<
  Handlers,
  'auth.whoami' | Extract<keyof Handlers, `tenants.${string}` | `users.${string}` | `keys.${string}`>
>;

const toUser = (row: Row, tenant: string): User => {
  const { kind, role } = row.spec as UserSpecRecord;
  return { ...base(row, tenant), kind, role, state: row.state as User['state'] };
};

const rank = { viewer: 0, member: 1, admin: 2, operator: 3 } as const;

export function accessRoutes(platform: Platform): AccessRoutes {
  const { deps } = platform;

  const toKey = async (row: ApiKeyRow, tenant: string, users: (id: string) => Promise<string>) => ({
    id: row.id,
    tenant,
    user: await users(row.principalId),
    prefix: row.prefix,
    scopes: [...row.scopes],
    createdAt: row.createdAt,
    ...(row.expiresAt === undefined ? {} : { expiresAt: row.expiresAt }),
    ...(row.revokedAt === undefined ? {} : { revokedAt: row.revokedAt }),
  });

  /** Only an admin may touch the keys of others; somebody else's key looks like none. */
  const ownKey = async (principal: Principal, key: ApiKeyRow | undefined, id: string): Promise<ApiKeyRow> => {
    const isAllowed =
      key !== undefined &&
      key.tenantId === principal.tenantId &&
      (key.principalId === principal.userId || rank[principal.role] >= rank.admin);
    if (!isAllowed) throw new GantryError('not_found', `there is no key "${id}"`);
    return key;
  };

  return {
    'auth.whoami': async ({ principal }) => ({
      tenant: principal.tenantName,
      user: principal.userName,
      role: principal.role,
      scopes: [...principal.scopes],
    }),
    'tenants.create': async ({ principal }, { body }) => {
      const row = await deps.store.tx({ platform: true }, async (tx) => {
        const taken = (await tx.list('tenant', { limit: 500, newestFirst: false })).items.some(
          ({ name }) => name === body.name,
        );
        if (taken) throw new GantryError('already_exists', `there is a tenant "${body.name}" already`);
        return createTenant(deps, tx, body.name, body.displayName, principal.userName);
      });
      return {
        ...base(row, row.name),
        ...(body.displayName === undefined ? {} : { displayName: body.displayName }),
      };
    },
    'tenants.list': async (_context, { query }) => {
      const page = await deps.store.read({ platform: true }, (tx) =>
        tx.list('tenant', {
          limit: query.limit,
          newestFirst: false,
          ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        }),
      );
      const items = page.items.map((row) => ({
        ...base(row, row.name),
        ...(row.spec as { displayName?: string }),
      }));
      return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
    },
    'users.create': async ({ principal, requestId }, { body }) => {
      if (rank[body.role] > rank[principal.role])
        throw new GantryError('forbidden', `a ${principal.role} cannot grant the role ${body.role}`);
      return deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await tx.insert({
          kind: 'user',
          id: createId('usr', deps.clock.nowMs()),
          tenantId: principal.tenantId,
          name: body.name,
          state: 'active',
          spec: { kind: body.kind, role: body.role } satisfies UserSpecRecord,
          status: {},
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'user',
          resourceId: row.id,
          type: 'user.created',
          actor: principal.userName,
          reason: { role: body.role },
          requestId,
        });
        return toUser(row, principal.tenantName);
      });
    },
    'users.list': async ({ principal }, { query }) => {
      const page = await deps.store.read({ tenantId: principal.tenantId }, (tx) =>
        tx.list('user', {
          tenantId: principal.tenantId,
          limit: query.limit,
          newestFirst: false,
          ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        }),
      );
      const items = page.items.map((row) => toUser(row, principal.tenantName));
      return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
    },
    'users.delete': async ({ principal, requestId }, { params }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const row = await findOr404(tx, 'user', principal.tenantId, params.name);
        if (row.id === principal.userId)
          throw new GantryError('forbidden', 'nobody removes themselves', { hint: 'ask another admin' });
        if (rank[(row.spec as UserSpecRecord).role] > rank[principal.role])
          throw new GantryError('forbidden', 'this user has more rights than you');
        for (const key of await tx.listKeys(principal.tenantId)) {
          if (key.principalId === row.id && key.revokedAt === undefined) await tx.revokeKey(key.id);
        }
        await tx.softDelete('user', row.id);
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'user',
          resourceId: row.id,
          type: 'user.deleted',
          actor: principal.userName,
          requestId,
        });
      });
      platform.forgetKeys();
      return { ok: true as const };
    },
    'keys.create': async ({ principal, requestId }, { body }) =>
      deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const user =
          body.user === undefined
            ? await tx.get('user', principal.userId)
            : await findOr404(tx, 'user', principal.tenantId, body.user);
        if (user === undefined)
          throw new GantryError('not_found', 'this principal has no user in the tenant', {
            hint: 'name one with "user"',
          });
        const isOther = user.id !== principal.userId;
        if (
          isOther &&
          (rank[principal.role] < rank.admin ||
            rank[(user.spec as UserSpecRecord).role] > rank[principal.role])
        ) {
          throw new GantryError(
            'forbidden',
            'only an admin makes keys for others, and never for somebody with more rights',
          );
        }
        // A key never grants what its maker's key lacks.
        const excess = body.scopes.filter((scope) => !principal.scopes.includes(scope));
        if (excess.length > 0)
          throw new GantryError('forbidden', `your key lacks the scopes ${excess.join(', ')}`);
        const expiresAt =
          body.expiresInDays === undefined
            ? undefined
            : new Date(deps.clock.nowMs() + body.expiresInDays * 86_400_000).toISOString();
        const { row, secret } = await issueKey(tx, {
          tenantId: principal.tenantId,
          principalId: user.id,
          scopes: body.scopes,
          nowMs: deps.clock.nowMs(),
          ...(expiresAt === undefined ? {} : { expiresAt }),
        });
        await tx.event({
          tenantId: principal.tenantId,
          kind: 'key',
          resourceId: row.id,
          type: 'key.created',
          actor: principal.userName,
          reason: { user: user.name, scopes: body.scopes },
          requestId,
        });
        return { ...(await toKey(row, principal.tenantName, async () => user.name)), secret };
      }),
    'keys.list': async ({ principal }) =>
      deps.store.read({ tenantId: principal.tenantId }, async (tx) => {
        const isAdmin = rank[principal.role] >= rank.admin;
        const keys = (await tx.listKeys(principal.tenantId)).filter(
          (key) => isAdmin || key.principalId === principal.userId,
        );
        const items = [];
        for (const key of keys)
          items.push(
            await toKey(key, principal.tenantName, async (id) => (await tx.get('user', id))?.name ?? id),
          );
        return { items };
      }),
    'keys.rotate': async ({ principal, requestId }, { params }) => {
      const created = await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const key = await ownKey(principal, await tx.getKey(params.id), params.id);
        await tx.revokeKey(key.id);
        const { row, secret } = await issueKey(tx, {
          tenantId: key.tenantId,
          principalId: key.principalId,
          scopes: key.scopes,
          nowMs: deps.clock.nowMs(),
          ...(key.expiresAt === undefined ? {} : { expiresAt: key.expiresAt }),
        });
        await tx.event({
          tenantId: key.tenantId,
          kind: 'key',
          resourceId: key.id,
          type: 'key.rotated',
          actor: principal.userName,
          reason: { by: row.id },
          requestId,
        });
        return {
          ...(await toKey(row, principal.tenantName, async (id) => (await tx.get('user', id))?.name ?? id)),
          secret,
        };
      });
      platform.forgetKeys();
      return created;
    },
    'keys.revoke': async ({ principal, requestId }, { params }) => {
      await deps.store.tx({ tenantId: principal.tenantId }, async (tx) => {
        const key = await ownKey(principal, await tx.getKey(params.id), params.id);
        await tx.revokeKey(key.id);
        await tx.event({
          tenantId: key.tenantId,
          kind: 'key',
          resourceId: key.id,
          type: 'key.revoked',
          actor: principal.userName,
          requestId,
        });
      });
      platform.forgetKeys();
      return { ok: true as const };
    },
  };
}
