import type { Row, Tx } from '@gantry/ports';
import { toReplicaWorkload } from '../scheduling/build-snapshot.ts';
import { refuseImpossible } from '../scheduling/refuse-impossible.ts';
import type { EndpointSpecRecord } from './endpoint-record.ts';
import { newReplica } from './new-replica.ts';

/** Refuses an endpoint none of whose replicas could ever start. `tx` sees the whole platform. */
export async function checkReplicaFits(
  tx: Tx,
  endpoint: Pick<Row, 'id' | 'tenantId' | 'name'> & { readonly spec: EndpointSpecRecord },
  nowMs: number,
): Promise<void> {
  const at = new Date(nowMs).toISOString();
  const written = { createdAt: at, updatedAt: at, version: 1 };
  const row: Row = {
    ...endpoint,
    ...written,
    kind: 'endpoint',
    state: 'deploying',
    parentId: undefined,
    status: {},
  };
  const { revision, model, modelVersionId, replicas } = endpoint.spec;
  const replica = newReplica(row, { revision, model, modelVersionId, replicas }, nowMs);
  await refuseImpossible(
    tx,
    (selectors) => toReplicaWorkload({ ...replica, ...written }, row, selectors),
    nowMs,
  );
}
