/** What every platform has before anybody asks: a default tenant with a queue, and an operator with a key. */
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { QueueSpecRecord } from '../queues/queue-record.ts';
import { type UserSpecRecord, issueKey } from './keys.ts';

export const defaultQueueSpec: QueueSpecRecord = { deserved: {}, limit: {}, weight: 1, priority: 0 };

export async function createTenant(
  deps: Deps,
  tx: Tx,
  name: string,
  displayName: string | undefined,
  actor: string,
): Promise<Row> {
  const id = createId('ten', deps.clock.nowMs());
  const tenant = await tx.insert({
    kind: 'tenant',
    id,
    tenantId: id,
    name,
    state: 'active',
    spec: displayName === undefined ? {} : { displayName },
    status: {},
  });
  const root = await tx.insert({
    kind: 'queue',
    id: createId('que', deps.clock.nowMs()),
    tenantId: id,
    name: 'root',
    state: 'open',
    spec: defaultQueueSpec,
    status: {},
  });
  await tx.insert({
    kind: 'queue',
    id: createId('que', deps.clock.nowMs()),
    tenantId: id,
    name: 'default',
    state: 'open',
    parentId: root.id,
    spec: defaultQueueSpec,
    status: {},
  });
  await tx.event({ tenantId: id, kind: 'tenant', resourceId: id, type: 'tenant.created', actor });
  return tenant;
}

/** Returns the operator's secret on the first start only. */
export async function bootstrapAccess(
  deps: Deps,
): Promise<{ tenantId: string; operatorSecret: string | undefined }> {
  return deps.store.tx({ platform: true }, async (tx) => {
    const existing = (await tx.list('tenant', { limit: 1, newestFirst: false })).items[0];
    if (existing !== undefined) return { tenantId: existing.id, operatorSecret: undefined };
    const tenant = await createTenant(deps, tx, 'default', undefined, 'bootstrap');
    const operator = await tx.insert({
      kind: 'user',
      id: createId('usr', deps.clock.nowMs()),
      tenantId: tenant.id,
      name: 'operator',
      state: 'active',
      spec: { kind: 'user', role: 'operator' } satisfies UserSpecRecord,
      status: {},
    });
    const { secret } = await issueKey(tx, {
      tenantId: tenant.id,
      principalId: operator.id,
      scopes: ['read', 'write', 'infer', 'admin'],
      nowMs: deps.clock.nowMs(),
    });
    return { tenantId: tenant.id, operatorSecret: secret };
  });
}

/** A new operator key when the file with the first one was lost; the database is the authority, the file a copy. */
export async function reissueOperatorKey(deps: Deps): Promise<string> {
  return deps.store.tx({ platform: true }, async (tx) => {
    const users = await tx.list('user', { limit: 500, newestFirst: false });
    const operator = users.items.find((row) => (row.spec as UserSpecRecord).role === 'operator');
    if (operator === undefined) throw new Error('the platform has no operator');
    const { secret } = await issueKey(tx, {
      tenantId: operator.tenantId,
      principalId: operator.id,
      scopes: ['read', 'write', 'infer', 'admin'],
      nowMs: deps.clock.nowMs(),
    });
    await tx.event({
      tenantId: operator.tenantId,
      kind: 'user',
      resourceId: operator.id,
      type: 'key.reissued',
      actor: 'bootstrap',
    });
    return secret;
  });
}
