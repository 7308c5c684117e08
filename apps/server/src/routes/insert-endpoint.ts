import type { EndpointSpecRecord, EndpointStatusRecord } from '@gantry/control';
import type { Tx } from '@gantry/ports';
import type { Principal } from '../http/index.ts';

/** A new endpoint with the event that tells of it; `reason` is what people read there. */
export async function insertEndpoint(
  tx: Tx,
  by: { readonly principal: Principal; readonly requestId: string },
  endpoint: { readonly id: string; readonly name: string; readonly spec: EndpointSpecRecord },
  reason: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { tenantId, userName } = by.principal;
  const { id, name, spec } = endpoint;
  await tx.insert({
    kind: 'endpoint',
    id,
    tenantId,
    name,
    state: 'deploying',
    spec,
    status: {} satisfies EndpointStatusRecord,
  });
  await tx.event({
    tenantId,
    kind: 'endpoint',
    resourceId: id,
    type: 'endpoint.created',
    toState: 'deploying',
    actor: userName,
    reason,
    requestId: by.requestId,
  });
}
