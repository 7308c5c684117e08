import type { Row, Tx } from '@gantry/ports';

/** Marks a replica as leaving its place, with the reason. Undefined when it had left or never had one. */
export async function evictReplica(
  tx: Tx,
  replicaId: string,
  reason: Record<string, unknown>,
): Promise<Row | undefined> {
  const row = await tx.get('replica', replicaId);
  if (row === undefined || !['starting', 'ready'].includes(row.state)) return undefined;
  await tx.event({
    tenantId: row.tenantId,
    kind: 'replica',
    resourceId: row.id,
    type: 'replica.evicted',
    fromState: row.state,
    toState: 'draining',
    actor: 'scheduler',
    reason,
  });
  return tx.update('replica', row.id, { expectedVersion: row.version, state: 'draining' });
}
