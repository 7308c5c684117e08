/** Tenants by name and by id. A tenant keeps its name: it is looked up once. */
import { allRows } from '@gantry/control';
import type { Store } from '@gantry/ports';

export interface TenantNames {
  /** The id itself for a tenant that is gone. */
  readonly nameOf: (id: string) => Promise<string>;
  readonly find: (nameOrId: string) => Promise<{ readonly id: string; readonly name: string } | undefined>;
}

export function createTenantNames(store: Pick<Store, 'read'>): TenantNames {
  const names = new Map<string, string>();
  return {
    nameOf: async (id) => {
      const known = names.get(id);
      if (known !== undefined) return known;
      const name = (await store.read({ platform: true }, (tx) => tx.get('tenant', id)))?.name ?? id;
      names.set(id, name);
      return name;
    },
    find: async (nameOrId) => {
      const rows = await store.read({ platform: true }, (tx) => allRows(tx, 'tenant'));
      const row = rows.find(({ id, name }) => name === nameOrId || id === nameOrId);
      return row && { id: row.id, name: row.name };
    },
  };
}
