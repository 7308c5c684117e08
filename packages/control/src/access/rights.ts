/** Who outranks whom. Nobody hands out, changes or takes over what goes beyond their own rights. */
import type { Role } from '@gantry/contract';
import type { Caller } from '../caller.ts';

/** A caller whose key may be narrower than its role. */
export interface ScopedCaller extends Caller {
  readonly scopes: readonly string[];
  readonly keyId: string;
}

const rank: Readonly<Record<Role, number>> = { viewer: 0, member: 1, admin: 2, operator: 3 };

export const outranks = (one: Role, other: Role): boolean => rank[one] > rank[other];

/** Both the role and the key must say so. */
export const isAdmin = (caller: ScopedCaller): boolean =>
  !outranks('admin', caller.role) && caller.scopes.includes('admin');

/** What a first key of a role may be used for. */
export const scopesOf: Readonly<Record<Role, readonly string[]>> = {
  viewer: ['read', 'infer'],
  member: ['read', 'write', 'infer'],
  admin: ['read', 'write', 'infer', 'admin'],
  operator: ['read', 'write', 'infer', 'admin'],
};
