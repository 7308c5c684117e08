/** Making, replacing and ending keys. A key never gives more than the key that made it has. */
import { GantryError, type KeyScope } from '@gantry/contract';
import type { ApiKeyRow, Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { findOr404 } from '../find.ts';
import { issueKey } from './keys.ts';
import { type ScopedCaller, isAdmin, outranks } from './rights.ts';
import { roleOf } from './users.ts';

export interface IssuedKey {
  readonly row: ApiKeyRow;
  readonly user: Row;
  readonly secret: string;
}

export async function createKey(
  deps: Deps,
  tx: Tx,
  caller: ScopedCaller,
  input: {
    readonly user?: string | undefined;
    readonly scopes: readonly KeyScope[];
    readonly expiresInDays?: number | undefined;
  },
  requestId: string,
): Promise<IssuedKey> {
  const user =
    input.user === undefined
      ? await tx.get('user', caller.userId)
      : await findOr404(tx, 'user', caller.tenantId, input.user);
  if (user === undefined)
    throw new GantryError('not_found', 'you have no user in this tenant', { hint: 'name one with "user"' });
  const isOther = user.id !== caller.userId;
  if (isOther && (!isAdmin(caller) || outranks(roleOf(user), caller.role)))
    throw new GantryError(
      'forbidden',
      'only an admin makes keys for others, and never for somebody with more rights',
    );
  if (user.state !== 'active')
    throw new GantryError('invalid_transition', `user "${user.name}" is ${user.state}; it gets no key`);
  const excess = input.scopes.filter((scope) => !caller.scopes.includes(scope));
  if (excess.length > 0) throw new GantryError('forbidden', `your key lacks the scopes ${excess.join(', ')}`);
  const nowMs = deps.clock.nowMs();
  const expiresAt =
    input.expiresInDays === undefined
      ? undefined
      : new Date(nowMs + input.expiresInDays * 86_400_000).toISOString();
  const { row, secret } = await issueKey(tx, {
    tenantId: caller.tenantId,
    principalId: user.id,
    scopes: input.scopes,
    nowMs,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  await tx.event({
    tenantId: caller.tenantId,
    kind: 'key',
    resourceId: row.id,
    type: 'key.created',
    actor: caller.userName,
    reason: { user: user.name, scopes: input.scopes, ...(expiresAt === undefined ? {} : { expiresAt }) },
    requestId,
  });
  return { row, user, secret };
}

/** A new key with the same rights and end; the old one works for the overlap, then no more. */
export async function rotateKey(
  deps: Deps,
  tx: Tx,
  caller: ScopedCaller,
  id: string,
  overlapMs: number,
  requestId: string,
): Promise<IssuedKey> {
  const { key, user } = await findKey(tx, caller, id);
  const nowMs = deps.clock.nowMs();
  if (key.revokedAt !== undefined && Date.parse(key.revokedAt) <= nowMs)
    throw new GantryError('invalid_transition', `key "${id}" is revoked; it has no successor`, {
      hint: 'make a new one: gantry key create',
    });
  await tx.revokeKey(key.id, new Date(nowMs + overlapMs).toISOString());
  const { row, secret } = await issueKey(tx, {
    tenantId: key.tenantId,
    principalId: key.principalId,
    scopes: key.scopes,
    nowMs,
    ...(key.expiresAt === undefined ? {} : { expiresAt: key.expiresAt }),
  });
  await tx.event({
    tenantId: key.tenantId,
    kind: 'key',
    resourceId: key.id,
    type: 'key.rotated',
    actor: caller.userName,
    reason: { by: row.id, overlapMs },
    requestId,
  });
  return { row, user, secret };
}

export async function revokeKey(
  deps: Deps,
  tx: Tx,
  caller: ScopedCaller,
  id: string,
  requestId: string,
): Promise<void> {
  const { key } = await findKey(tx, caller, id);
  await tx.revokeKey(key.id, new Date(deps.clock.nowMs()).toISOString());
  await tx.event({
    tenantId: key.tenantId,
    kind: 'key',
    resourceId: key.id,
    type: 'key.revoked',
    actor: caller.userName,
    requestId,
  });
}

/** One's own keys, or everybody's for an admin. */
export const isVisibleKey = (caller: ScopedCaller, key: ApiKeyRow): boolean =>
  isAdmin(caller) || key.principalId === caller.userId;

/** Somebody else's key looks like none. A key handles itself, and others that grant no more than it does. */
async function findKey(
  tx: Tx,
  caller: ScopedCaller,
  id: string,
): Promise<{ readonly key: ApiKeyRow; readonly user: Row }> {
  const key = await tx.getKey(id);
  const user = key === undefined ? undefined : await tx.get('user', key.principalId);
  if (
    key === undefined ||
    user === undefined ||
    key.tenantId !== caller.tenantId ||
    !isVisibleKey(caller, key)
  )
    throw new GantryError('not_found', `there is no key "${id}"`, { hint: 'list them: gantry key list' });
  const isItself = key.id === caller.keyId;
  const isBeyond =
    outranks(roleOf(user), caller.role) || key.scopes.some((scope) => !caller.scopes.includes(scope));
  if (!isItself && isBeyond)
    throw new GantryError('forbidden', `key "${id}" grants more than yours`, {
      hint: 'use a key with its scopes',
    });
  return { key, user };
}
