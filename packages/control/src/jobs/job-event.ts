/** One line in a job's history that the reconciler has to tell, beside its changes of state. */
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';

export const tellJobEvent = (
  deps: Deps,
  row: Pick<Row, 'id' | 'tenantId'>,
  type: string,
  reason: Record<string, unknown>,
): Promise<void> =>
  deps.store.tx({ platform: true }, (tx) =>
    tx.event({
      tenantId: row.tenantId,
      kind: 'job',
      resourceId: row.id,
      type,
      actor: 'reconciler',
      reason,
    }),
  );
