/** What was decided for an endpoint, in one transaction: replicas made and drained, its state, an event for each. */
import type { Row, Tx } from '@gantry/ports';
import type { EndpointDecision } from './decide-endpoint.ts';
import { newReplica } from './new-replica.ts';

export async function writeDecision(
  tx: Tx,
  endpoint: Row | undefined,
  { create, drain, state }: EndpointDecision,
  nowMs: number,
): Promise<void> {
  if (endpoint !== undefined)
    for (const revision of create) await tx.insert(newReplica(endpoint, revision, nowMs));
  for (const row of drain) {
    const toState = row.state === 'queued' ? 'ended' : 'draining';
    await tx.update('replica', row.id, { expectedVersion: row.version, state: toState });
    await tx.event({
      tenantId: row.tenantId,
      kind: 'replica',
      resourceId: row.id,
      type: `replica.${toState}`,
      fromState: row.state,
      toState,
      actor: 'reconciler',
    });
  }
  if (endpoint === undefined || endpoint.state === state) return;
  await tx.update('endpoint', endpoint.id, { expectedVersion: endpoint.version, state });
  await tx.event({
    tenantId: endpoint.tenantId,
    kind: 'endpoint',
    resourceId: endpoint.id,
    type: `endpoint.${state}`,
    fromState: endpoint.state,
    toState: state,
    actor: 'reconciler',
  });
}
