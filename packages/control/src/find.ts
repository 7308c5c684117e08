import { GantryError } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';

/** A row of the tenant by name or id. The same answer whether it does not exist or belongs to somebody else. */
export async function findOr404(
  tx: Tx,
  kind: string,
  tenantId: string,
  nameOrId: string,
  word: string = kind,
): Promise<Row> {
  const row = await findOwn(tx, kind, tenantId, nameOrId);
  if (row === undefined) {
    throw new GantryError('not_found', `there is no ${word} "${nameOrId}"`, {
      hint: `list them: gantry ${word} list`,
    });
  }
  return row;
}

/** Of this tenant, by name or id; undefined for what is not there and for what is another's. */
export async function findOwn(
  tx: Tx,
  kind: string,
  tenantId: string,
  nameOrId: string,
): Promise<Row | undefined> {
  const byName = await tx.byName(kind, tenantId, nameOrId);
  const row = byName ?? (nameOrId.includes('_') ? await tx.get(kind, nameOrId) : undefined);
  return row?.tenantId === tenantId ? row : undefined;
}

/** The caller's `If-Match`: what they read is what they change. */
export function checkVersion(row: Pick<Row, 'kind' | 'version'>, ifMatchVersion: number | undefined): void {
  if (ifMatchVersion !== undefined && ifMatchVersion !== row.version)
    throw new GantryError('version_conflict', `the ${row.kind} was changed meanwhile`, {
      hint: 'read it again and repeat the change',
    });
}
