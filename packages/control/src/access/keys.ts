/** API keys: `gk_<key id>_<secret>`; only the secret's hash is stored. */
import { GantryError, type Role } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { ApiKeyRow, Tx } from '@gantry/ports';
import { createSecret, hashSecret, isSame } from './secrets.ts';
import type { UserSpecRecord } from './users.ts';

export function parseKey(text: string): { id: string; secret: string } | undefined {
  const match = /^gk_([0-9a-z]{26})_([0-9a-z]{32})$/.exec(text);
  return match ? { id: `key_${match[1]}`, secret: match[2] ?? '' } : undefined;
}

export interface IssueKey {
  readonly tenantId: string;
  readonly principalId: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: string;
  readonly nowMs: number;
}

/** Stores the hash and returns the only copy of the secret there will ever be. */
export async function issueKey(tx: Tx, input: IssueKey): Promise<{ row: ApiKeyRow; secret: string }> {
  const id = createId('key', input.nowMs);
  const secret = createSecret();
  const row: ApiKeyRow = {
    id,
    tenantId: input.tenantId,
    hash: await hashSecret(secret),
    prefix: `gk_${id.slice(4, 14)}`,
    principalId: input.principalId,
    scopes: [...input.scopes],
    createdAt: new Date(input.nowMs).toISOString(),
    ...(input.expiresAt === undefined ? {} : { expiresAt: input.expiresAt }),
  };
  await tx.insertKey(row);
  return { row, secret: `gk_${id.slice(4)}_${secret}` };
}

export interface AuthenticatedKey {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly userId: string;
  readonly userName: string;
  readonly role: Role;
  readonly scopes: readonly string[];
  readonly keyId: string;
}

/**
 * The principal behind a key, or undefined for a guess. A genuine key that works no more says why: its holder
 * can do something about it.
 */
export async function authenticateKey(
  tx: Tx,
  text: string,
  nowMs: number,
): Promise<AuthenticatedKey | undefined> {
  const parsed = parseKey(text);
  const key = parsed === undefined ? undefined : await tx.getKey(parsed.id);
  if (parsed === undefined || key === undefined) return undefined;
  if (!isSame(await hashSecret(parsed.secret), key.hash)) return undefined;
  return holderOf(tx, key, nowMs);
}

/** What a key that was good may do now, for what it keeps open; undefined when that is nothing any more. */
export async function keyAsItIsNow(
  tx: Tx,
  keyId: string,
  nowMs: number,
): Promise<AuthenticatedKey | undefined> {
  const key = await tx.getKey(keyId);
  if (key === undefined) return undefined;
  return holderOf(tx, key, nowMs).catch((error: unknown) => {
    if (error instanceof GantryError && error.status === 401) return undefined;
    throw error;
  });
}

async function holderOf(tx: Tx, key: ApiKeyRow, nowMs: number): Promise<AuthenticatedKey | undefined> {
  if (key.revokedAt !== undefined && Date.parse(key.revokedAt) <= nowMs) {
    throw new GantryError('unauthenticated', `this key was revoked at ${key.revokedAt}`, {
      hint: 'ask an admin for a new one: gantry key create',
    });
  }
  if (key.expiresAt !== undefined && Date.parse(key.expiresAt) <= nowMs) {
    throw new GantryError('key_expired', `this key expired at ${key.expiresAt}`, {
      hint: 'ask an admin for a new one: gantry key create',
    });
  }
  const [user, tenant] = [await tx.get('user', key.principalId), await tx.get('tenant', key.tenantId)];
  if (user === undefined || tenant === undefined) return undefined;
  if (user.state !== 'active')
    throw new GantryError('unauthenticated', `user "${user.name}" is ${user.state}`, {
      hint: 'ask an admin to enable it',
    });
  return {
    tenantId: key.tenantId,
    tenantName: tenant.name,
    userId: user.id,
    userName: user.name,
    role: (user.spec as UserSpecRecord).role,
    scopes: key.scopes,
    keyId: key.id,
  };
}
