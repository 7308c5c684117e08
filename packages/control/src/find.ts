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
  const byName = await tx.byName(kind, tenantId, nameOrId);
  const row = byName ?? (nameOrId.includes('_') ? await tx.get(kind, nameOrId) : undefined);
  if (row === undefined || row.tenantId !== tenantId) {
    throw new GantryError('not_found', `there is no ${word} "${nameOrId}"`, {
      hint: `list them: gantry ${word} list`,
    });
  }
  return row;
}
