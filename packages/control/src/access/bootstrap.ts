/** What every platform has before anybody asks: a default tenant with a queue, and an operator with a key. */
import { createId } from '@gantry/kit';
import type { Deps } from '../deps.ts';
import { issueKey } from './keys.ts';
import { createTenant } from './tenants.ts';
import type { UserSpecRecord } from './users.ts';

/** Returns the operator's secret on the first start only. */
export async function bootstrapAccess(
  deps: Deps,
): Promise<{ tenantId: string; operatorSecret: string | undefined }> {
  return deps.store.tx({ platform: true }, async (tx) => {
    const existing = (await tx.list('tenant', { limit: 1, newestFirst: false })).items[0];
    if (existing !== undefined) return { tenantId: existing.id, operatorSecret: undefined };
    const tenant = await createTenant(deps, tx, { name: 'default' }, 'bootstrap');
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
