/** Users and service accounts of a tenant. */
import { GantryError, type Role, type User } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { checkVersion, findOr404 } from '../find.ts';
import { type ScopedCaller, outranks } from './rights.ts';

export interface UserSpecRecord {
  readonly kind: User['kind'];
  readonly role: Role;
}

export const roleOf = (user: Row): Role => (user.spec as UserSpecRecord).role;

export async function createUser(
  deps: Deps,
  tx: Tx,
  caller: ScopedCaller,
  input: { readonly name: string; readonly state: 'active' | 'invited' } & UserSpecRecord,
  requestId: string,
): Promise<Row> {
  mayGrant(caller, input.role);
  const row = await tx.insert({
    kind: 'user',
    id: createId('usr', deps.clock.nowMs()),
    tenantId: caller.tenantId,
    name: input.name,
    state: input.state,
    spec: { kind: input.kind, role: input.role } satisfies UserSpecRecord,
    status: {},
  });
  await tx.event({
    tenantId: caller.tenantId,
    kind: 'user',
    resourceId: row.id,
    type: 'user.created',
    toState: input.state,
    actor: caller.userName,
    reason: { role: input.role, kind: input.kind },
    requestId,
  });
  return row;
}

/** Another role, or no entry any more: a disabled user's keys stop working until it is enabled again. */
export async function updateUser(
  tx: Tx,
  caller: ScopedCaller,
  name: string,
  change: { readonly role?: Role | undefined; readonly state?: 'active' | 'disabled' | undefined },
  request: { readonly ifMatchVersion: number | undefined; readonly requestId: string },
): Promise<Row> {
  const row = await findSubordinate(tx, caller, name);
  checkVersion(row, request.ifMatchVersion);
  if (change.role !== undefined) mayGrant(caller, change.role);
  if (row.state === 'invited')
    throw new GantryError('invalid_transition', `user "${row.name}" has not accepted the invitation yet`, {
      hint: `invite again with another role, or take it back: gantry user uninvite ${row.name}`,
    });
  const spec = row.spec as UserSpecRecord;
  const next = await tx.update('user', row.id, {
    expectedVersion: row.version,
    state: change.state ?? row.state,
    spec: { ...spec, role: change.role ?? spec.role } satisfies UserSpecRecord,
  });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'user',
    resourceId: row.id,
    type: 'user.updated',
    fromState: row.state,
    toState: next.state,
    actor: caller.userName,
    reason: { role: roleOf(next), before: spec.role },
    requestId: request.requestId,
  });
  return next;
}

export async function deleteUser(
  tx: Tx,
  caller: ScopedCaller,
  name: string,
  request: { readonly ifMatchVersion: number | undefined; readonly requestId: string },
): Promise<void> {
  const row = await findSubordinate(tx, caller, name);
  checkVersion(row, request.ifMatchVersion);
  for (const key of await tx.listKeys(caller.tenantId)) {
    if (key.principalId === row.id) await tx.revokeKey(key.id);
  }
  const invitation = await tx.byName('invitation', row.tenantId, row.name);
  if (invitation !== undefined) await tx.softDelete('invitation', invitation.id);
  await tx.softDelete('user', row.id);
  await tx.event({
    tenantId: row.tenantId,
    kind: 'user',
    resourceId: row.id,
    type: 'user.deleted',
    fromState: row.state,
    actor: caller.userName,
    requestId: request.requestId,
  });
}

/** So an operator always remains: nobody changes or removes themselves, or somebody with more rights. */
async function findSubordinate(tx: Tx, caller: ScopedCaller, name: string): Promise<Row> {
  const row = await findOr404(tx, 'user', caller.tenantId, name);
  if (row.id === caller.userId)
    throw new GantryError('forbidden', 'nobody changes or removes themselves', { hint: 'ask another admin' });
  if (outranks(roleOf(row), caller.role))
    throw new GantryError('forbidden', `user "${row.name}" has more rights than you`);
  return row;
}

function mayGrant(caller: ScopedCaller, role: Role): void {
  if (outranks(role, caller.role))
    throw new GantryError('forbidden', `a ${caller.role} cannot grant the role ${role}`);
}
