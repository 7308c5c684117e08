import type { Tenant } from '@gantry/contract';
import { type TenantSpecRecord, createTenant } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { base } from './base.ts';
import { toPage, toPageRequest } from './page.ts';

type TenantRoutes = Pick<Handlers, Extract<keyof Handlers, `tenants.${string}`>>;

const toTenant = (row: Row): Tenant => ({ ...base(row, row.name), ...(row.spec as TenantSpecRecord) });

export function tenantRoutes({ deps }: Platform): TenantRoutes {
  return {
    'tenants.create': async ({ principal, requestId }, { body }) =>
      toTenant(
        await deps.store.tx({ platform: true }, (tx) =>
          createTenant(deps, tx, body, principal.userName, requestId),
        ),
      ),
    'tenants.list': async (_context, { query }) =>
      toPage(
        await deps.store.read({ platform: true }, (tx) =>
          tx.list('tenant', { ...toPageRequest(query), newestFirst: false }),
        ),
        toTenant,
      ),
  };
}
