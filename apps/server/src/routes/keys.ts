import type { Key } from '@gantry/contract';
import { type IssuedKey, createKey, isVisibleKey, revokeKey, rotateKey } from '@gantry/control';
import type { ApiKeyRow } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { slicePage } from './page.ts';

type KeyRoutes = Pick<Handlers, Extract<keyof Handlers, `keys.${string}`>>;

const toKey = (row: ApiKeyRow, user: string, tenant: string): Key => ({
  id: row.id,
  tenant,
  user,
  prefix: row.prefix,
  scopes: [...row.scopes],
  createdAt: row.createdAt,
  ...(row.expiresAt === undefined ? {} : { expiresAt: row.expiresAt }),
  ...(row.revokedAt === undefined ? {} : { revokedAt: row.revokedAt }),
});

export const toIssuedKey = (
  { row, user, secret }: IssuedKey,
  tenant: string,
): Key & { readonly secret: string } => ({ ...toKey(row, user.name, tenant), secret });

export function keyRoutes(platform: Platform): KeyRoutes {
  const { deps } = platform;
  const { store } = deps;
  return {
    'keys.create': async ({ principal, requestId }, { body }) =>
      toIssuedKey(
        await store.tx({ tenantId: principal.tenantId }, (tx) =>
          createKey(deps, tx, principal, body, requestId),
        ),
        principal.tenantName,
      ),
    'keys.list': async ({ principal }, { query }) =>
      store.read({ tenantId: principal.tenantId }, async (tx) => {
        const keys = await tx.listKeys(principal.tenantId);
        const page = slicePage(
          keys.filter((key) => isVisibleKey(principal, key)),
          query,
        );
        const items: Key[] = [];
        for (const key of page.items) {
          const user = await tx.get('user', key.principalId);
          items.push(toKey(key, user?.name ?? key.principalId, principal.tenantName));
        }
        return { ...page, items };
      }),
    'keys.rotate': async ({ principal, requestId }, { params, body }) => {
      const issued = await store.tx({ tenantId: principal.tenantId }, (tx) =>
        rotateKey(deps, tx, principal, params.id, body.overlapHours * 3_600_000, requestId),
      );
      platform.forgetKeys();
      return toIssuedKey(issued, principal.tenantName);
    },
    'keys.revoke': async ({ principal, requestId }, { params }) => {
      await store.tx({ tenantId: principal.tenantId }, (tx) =>
        revokeKey(deps, tx, principal, params.id, requestId),
      );
      platform.forgetKeys();
      return { ok: true as const };
    },
  };
}
