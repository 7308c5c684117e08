import { GantryError, type Tenant } from '@gantry/contract';
import { type TenantSpecRecord, allRows, createTenant } from '@gantry/control';
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
    'tenants.get': async (_context, { params: { name } }) => {
      const rows = await deps.store.read({ platform: true }, (tx) => allRows(tx, 'tenant'));
      const row = rows.find((each) => each.name === name || each.id === name);
      if (row === undefined)
        throw new GantryError('not_found', `there is no tenant "${name}"`, {
          hint: 'list them: gantry tenant list',
        });
      return toTenant(row);
    },
    'tenants.list': async (_context, { query }) =>
      toPage(
        await deps.store.read({ platform: true }, (tx) =>
          tx.list('tenant', { ...toPageRequest(query), newestFirst: false }),
        ),
        toTenant,
      ),
  };
}
