/**
 * A way in for people: an admin names a user and a role and gets a token `gi_<id>_<secret>`, once. Who brings
 * the token before its end becomes that user and gets the first key. A new invitation replaces the old one.
 */
import { GantryError, type Role } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { findOr404 } from '../find.ts';
import { issueKey } from './keys.ts';
import type { IssuedKey } from './manage-keys.ts';
import { type ScopedCaller, outranks, scopesOf } from './rights.ts';
import { createSecret, hashSecret, isSame } from './secrets.ts';
import { createUser, roleOf } from './users.ts';

export interface InvitationSpecRecord {
  readonly role: Role;
  readonly userId: string;
  readonly invitedBy: string;
  readonly hash: string;
  readonly expiresAt: string;
}

export async function invite(
  deps: Deps,
  tx: Tx,
  caller: ScopedCaller,
  input: { readonly name: string; readonly role: Role; readonly expiresInHours: number },
  requestId: string,
): Promise<{ readonly row: Row; readonly token: string }> {
  await replaceOlder(tx, caller, input.name, requestId);
  const user = await createUser(
    deps,
    tx,
    caller,
    { name: input.name, role: input.role, kind: 'user', state: 'invited' },
    requestId,
  );
  const nowMs = deps.clock.nowMs();
  const id = createId('inv', nowMs);
  const secret = createSecret();
  const expiresAt = new Date(nowMs + input.expiresInHours * 3_600_000).toISOString();
  const row = await tx.insert({
    kind: 'invitation',
    id,
    tenantId: caller.tenantId,
    name: input.name,
    state: 'open',
    parentId: user.id,
    spec: {
      role: input.role,
      userId: user.id,
      invitedBy: caller.userName,
      hash: await hashSecret(secret),
      expiresAt,
    } satisfies InvitationSpecRecord,
    status: {},
  });
  await tx.event({
    tenantId: caller.tenantId,
    kind: 'invitation',
    resourceId: id,
    type: 'invitation.created',
    toState: 'open',
    actor: caller.userName,
    reason: { user: input.name, role: input.role, expiresAt },
    requestId,
  });
  return { row, token: `gi_${id.slice(4)}_${secret}` };
}

export async function revokeInvitation(
  tx: Tx,
  caller: ScopedCaller,
  name: string,
  requestId: string,
): Promise<void> {
  const row = await findOr404(tx, 'invitation', caller.tenantId, name);
  if (outranks((row.spec as InvitationSpecRecord).role, caller.role))
    throw new GantryError('forbidden', `the invitation of "${row.name}" grants more rights than you have`);
  await end(tx, row, caller.userName, 'invitation.revoked', requestId);
  await tx.softDelete('user', (row.spec as InvitationSpecRecord).userId);
}

/** Runs in platform scope: who accepts has no key yet. The same refusal for unknown, used and revoked. */
export async function acceptInvitation(
  deps: Deps,
  tx: Tx,
  token: string,
  requestId: string,
): Promise<IssuedKey & { readonly tenant: Row }> {
  const match = /^gi_([0-9a-z]{26})_([0-9a-z]{32})$/.exec(token);
  const row = match === null ? undefined : await tx.get('invitation', `inv_${match[1]}`);
  const spec = row?.spec as InvitationSpecRecord | undefined;
  const isGenuine = spec !== undefined && isSame(await hashSecret(match?.[2] ?? ''), spec.hash);
  const user = spec === undefined ? undefined : await tx.get('user', spec.userId);
  const tenant = row === undefined ? undefined : await tx.get('tenant', row.tenantId);
  if (!isGenuine || row === undefined || user === undefined || tenant === undefined)
    throw new GantryError('invitation_invalid', 'this invitation is unknown, used or taken back', {
      hint: 'ask who invited you for a new one',
    });
  if (Date.parse(spec.expiresAt) <= deps.clock.nowMs())
    throw new GantryError('invitation_expired', `this invitation expired at ${spec.expiresAt}`, {
      hint: `ask ${spec.invitedBy} for a new one`,
    });
  // Two at once: the versions let one pass.
  const active = await tx.update('user', user.id, { expectedVersion: user.version, state: 'active' });
  await end(tx, row, user.name, 'invitation.accepted', requestId);
  const { row: key, secret } = await issueKey(tx, {
    tenantId: row.tenantId,
    principalId: user.id,
    scopes: scopesOf[roleOf(user)],
    nowMs: deps.clock.nowMs(),
  });
  await tx.event({
    tenantId: row.tenantId,
    kind: 'key',
    resourceId: key.id,
    type: 'key.created',
    actor: user.name,
    reason: { user: user.name, scopes: key.scopes, invitation: row.id },
    requestId,
  });
  return { row: key, user: active, secret, tenant };
}

async function replaceOlder(tx: Tx, caller: ScopedCaller, name: string, requestId: string): Promise<void> {
  const older = await tx.byName('invitation', caller.tenantId, name);
  if (older !== undefined) await revokeInvitation(tx, caller, name, requestId);
}

async function end(tx: Tx, row: Row, actor: string, type: string, requestId: string): Promise<void> {
  await tx.softDelete('invitation', row.id);
  await tx.event({
    tenantId: row.tenantId,
    kind: 'invitation',
    resourceId: row.id,
    type,
    fromState: row.state,
    actor,
    reason: { user: row.name },
    requestId,
  });
}
