import type { Row } from '@gantry/ports';

/** What every resource shows of its row. */
export const base = (row: Row, tenant: string) => ({
  id: row.id,
  name: row.name,
  tenant,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  version: row.version,
});
