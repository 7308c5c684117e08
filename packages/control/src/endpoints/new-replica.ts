/** A replica's row as an endpoint wants it. */
import { createId } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type {
  EndpointSpecRecord,
  EndpointStatusRecord,
  ReplicaSpecRecord,
  ReplicaStatusRecord,
  ServingRecord,
} from './endpoint-record.ts';
import type { WantedRevision } from './wanted-revisions.ts';

export function newReplica(endpoint: Row, wanted: WantedRevision, nowMs: number) {
  const spec = endpoint.spec as EndpointSpecRecord;
  const status = endpoint.status as EndpointStatusRecord;
  const id = createId('rpl', nowMs);
  return {
    kind: 'replica',
    id,
    tenantId: endpoint.tenantId,
    name: id.replace('_', '-'),
    state: 'queued',
    parentId: endpoint.id,
    spec: {
      revision: wanted.revision,
      model: wanted.model,
      modelVersionId: wanted.modelVersionId,
      ...servingOf(spec),
    } satisfies ReplicaSpecRecord,
    status: {
      restarts: status.crashes ?? 0,
      ...(status.lastFailure === undefined ? {} : { message: status.lastFailure }),
    } satisfies ReplicaStatusRecord,
  };
}

/** Complete by type: what a replica takes from its endpoint's row. */
const taken: Readonly<Record<keyof ServingRecord, true>> = {
  slots: true,
  contextTokens: true,
  batching: true,
  warmUp: true,
  speculation: true,
  decoder: true,
  adapters: true,
  server: true,
  engine: true,
  resources: true,
  nodeSelector: true,
  tolerations: true,
};

const servingOf = (spec: ServingRecord): ServingRecord =>
  Object.fromEntries(
    Object.entries(spec).filter(([field, value]) => field in taken && value !== undefined),
  ) as unknown as ServingRecord;
