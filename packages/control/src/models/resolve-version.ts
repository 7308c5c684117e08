import { GantryError } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import { findOr404 } from '../find.ts';
import type { ModelStatusRecord } from './model-record.ts';

/** `name`, `name@3` or `name@alias` → the version's row. */
export async function resolveVersion(tx: Tx, tenantId: string, reference: string): Promise<Row> {
  const [name = '', selector] = reference.split('@');
  const model = await findOr404(tx, 'model', tenantId, name);
  const { latest, aliases } = model.status as ModelStatusRecord;
  const number =
    selector === undefined ? latest : /^\d+$/.test(selector) ? Number(selector) : aliases[selector];
  const row =
    number === undefined ? undefined : await tx.byName('model-version', tenantId, `${name}@${number}`);
  if (row !== undefined) return row;
  throw new GantryError('not_found', `model "${name}" has no version "${selector ?? latest}"`, {
    hint: `see: gantry model show ${name}`,
  });
}
