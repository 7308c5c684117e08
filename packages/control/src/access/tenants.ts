import { GantryError } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { QueueSpecRecord } from '../queues/queue-record.ts';
import { allRows } from '../rows.ts';

export interface TenantSpecRecord {
  readonly displayName?: string;
}

const defaultQueueSpec: QueueSpecRecord = { deserved: {}, limit: {}, weight: 1, priority: 0 };

/** A tenant with a root queue and a `default` queue below it. Runs in platform scope. */
export async function createTenant(
  deps: Deps,
  tx: Tx,
  input: { readonly name: string; readonly displayName?: string | undefined },
  actor: string,
  requestId?: string,
): Promise<Row> {
  const isTaken = (await allRows(tx, 'tenant')).some(({ name }) => name === input.name);
  if (isTaken) throw new GantryError('already_exists', `there is a tenant "${input.name}" already`);
  const id = createId('ten', deps.clock.nowMs());
  const tenant = await tx.insert({
    kind: 'tenant',
    id,
    tenantId: id,
    name: input.name,
    state: 'active',
    spec: (input.displayName === undefined
      ? {}
      : { displayName: input.displayName }) satisfies TenantSpecRecord,
    status: {},
  });
  const queue = { kind: 'queue', tenantId: id, state: 'open', spec: defaultQueueSpec, status: {} };
  const root = await tx.insert({ ...queue, id: createId('que', deps.clock.nowMs()), name: 'root' });
  await tx.insert({
    ...queue,
    id: createId('que', deps.clock.nowMs()),
    name: 'default',
    parentId: root.id,
  });
  await tx.event({
    tenantId: id,
    kind: 'tenant',
    resourceId: id,
    type: 'tenant.created',
    actor,
    ...(requestId === undefined ? {} : { requestId }),
  });
  return tenant;
}
