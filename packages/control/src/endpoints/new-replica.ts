/** A replica's row as an endpoint wants it. */
import { createId } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type {
  EndpointSpecRecord,
  EndpointStatusRecord,
  ReplicaSpecRecord,
  ReplicaStatusRecord,
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
      slots: spec.slots,
      resources: spec.resources,
      ...(spec.nodeSelector === undefined ? {} : { nodeSelector: spec.nodeSelector }),
      ...(spec.tolerations === undefined ? {} : { tolerations: spec.tolerations }),
      ...(spec.contextTokens === undefined ? {} : { contextTokens: spec.contextTokens }),
      ...(spec.batching === undefined ? {} : { batching: spec.batching }),
      ...(spec.warmUp === undefined ? {} : { warmUp: spec.warmUp }),
      ...(spec.speculation === undefined ? {} : { speculation: spec.speculation }),
      ...(spec.decoder === undefined ? {} : { decoder: spec.decoder }),
      ...(spec.adapters === undefined ? {} : { adapters: spec.adapters }),
      ...(spec.server === undefined ? {} : { server: spec.server }),
      ...(spec.engine === undefined ? {} : { engine: spec.engine }),
    } satisfies ReplicaSpecRecord,
    status: {
      restarts: status.crashes ?? 0,
      ...(status.lastFailure === undefined ? {} : { message: status.lastFailure }),
    } satisfies ReplicaStatusRecord,
  };
}
