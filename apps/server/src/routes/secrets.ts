import { deleteSecret, setSecret } from '@gantry/control';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';

type SecretRoutes = Pick<Handlers, Extract<keyof Handlers, `secrets.${string}`>>;

export function secretRoutes({ deps }: Platform): SecretRoutes {
  return {
    'secrets.set': async ({ principal, requestId }, { params, body }) =>
      base(await setSecret(deps, principal, params.name, body.value, requestId), principal.tenantName),
    'secrets.list': async ({ principal }, { query }) => {
      const { tenantId, tenantName } = principal;
      const page = await deps.store.read({ tenantId }, (tx) =>
        tx.list('secret', {
          tenantId,
          limit: query.limit,
          newestFirst: false,
          ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
        }),
      );
      const items = page.items.map((row) => base(row, tenantName));
      return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
    },
    'secrets.delete': async ({ principal, requestId }, { params }) => {
      await deleteSecret(deps, principal, params.name, requestId);
      return { ok: true as const };
    },
  };
}
