/** What an endpoint is asked or answers has changed, or is as it was again: an event with the numbers. */
import type { Deps } from '../deps.ts';
import type { DriftChange } from './drift-watch.ts';

export async function tellDrift(
  deps: Deps,
  endpointId: string,
  { revisionId, findings }: DriftChange,
): Promise<void> {
  await deps.store.tx({ platform: true }, async (tx) => {
    const row = await tx.get('endpoint', endpointId);
    if (row === undefined) return;
    await tx.event({
      tenantId: row.tenantId,
      kind: 'endpoint',
      resourceId: endpointId,
      type: findings.length > 0 ? 'endpoint.drifted' : 'endpoint.drift_over',
      actor: 'drift',
      reason: { revision: revisionId, findings: findings.map((finding) => ({ ...finding })) },
    });
  });
}
