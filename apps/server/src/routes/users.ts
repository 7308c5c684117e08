import type { User } from '@gantry/contract';
import { type UserSpecRecord, createUser, deleteUser, findOr404, updateUser } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';
import { toPage, toPageRequest } from './page.ts';

type UserRoutes = Pick<Handlers, 'auth.whoami' | Extract<keyof Handlers, `users.${string}`>>;

const toUser = (row: Row, tenant: string): User => {
  const { kind, role } = row.spec as UserSpecRecord;
  return { ...base(row, tenant), kind, role, state: row.state as User['state'] };
};

export function userRoutes(platform: Platform): UserRoutes {
  const { deps } = platform;
  const { store } = deps;
  return {
    'auth.whoami': async ({ principal }) => ({
      tenant: principal.tenantName,
      user: principal.userName,
      role: principal.role,
      scopes: [...principal.scopes],
    }),
    'users.create': async ({ principal, requestId }, { body }) =>
      toUser(
        await store.tx({ tenantId: principal.tenantId }, (tx) =>
          createUser(deps, tx, principal, { ...body, state: 'active' }, requestId),
        ),
        principal.tenantName,
      ),
    'users.list': async ({ principal }, { query }) =>
      toPage(
        await store.read({ tenantId: principal.tenantId }, (tx) =>
          tx.list('user', {
            tenantId: principal.tenantId,
            ...toPageRequest(query),
            newestFirst: false,
          }),
        ),
        (row) => toUser(row, principal.tenantName),
      ),
    'users.get': async ({ principal }, { params }) =>
      toUser(
        await store.read({ tenantId: principal.tenantId }, (tx) =>
          findOr404(tx, 'user', principal.tenantId, params.name),
        ),
        principal.tenantName,
      ),
    'users.update': async ({ principal, ifMatchVersion, requestId }, { params, body }) => {
      const row = await store.tx({ tenantId: principal.tenantId }, (tx) =>
        updateUser(tx, principal, params.name, body, { ifMatchVersion, requestId }),
      );
      platform.forgetKeys();
      return toUser(row, principal.tenantName);
    },
    'users.delete': async ({ principal, ifMatchVersion, requestId }, { params }) => {
      await store.tx({ tenantId: principal.tenantId }, (tx) =>
        deleteUser(tx, principal, params.name, { ifMatchVersion, requestId }),
      );
      platform.forgetKeys();
      return { ok: true as const };
    },
  };
}
