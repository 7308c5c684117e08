import { GantryError } from '@gantry/contract';
import { nearest } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import { findOwn } from '../find.ts';
import { allRows } from '../rows.ts';

/**
 * The queue that work is to stand in, by name or id. One that does not exist and one of another tenant get the same
 * 403 to the letter: asking tells nobody what others have. The hint names only the asker's own.
 */
export async function usableQueue(tx: Tx, tenantId: string, nameOrId: string): Promise<Row> {
  const found = await findOwn(tx, 'queue', tenantId, nameOrId);
  if (found !== undefined) return found;
  const queues = (await allRows(tx, 'queue')).filter((row) => row.tenantId === tenantId);
  const leaves = queues.filter(({ id }) => !queues.some(({ parentId }) => parentId === id));
  const names = leaves.map(({ name }) => name);
  const guess = nearest(nameOrId, names);
  throw new GantryError('forbidden', `there is no queue "${nameOrId}" that you may use`, {
    hint: guess === undefined ? `yours: ${names.join(', ')}` : `did you mean "${guess}"?`,
  });
}
