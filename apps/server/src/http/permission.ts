/** role × scope → what a principal may do. Both must allow it: a key can only narrow its holder's role. */
import type { Permission, Role } from '@gantry/contract';

const byRole: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['public', 'read'],
  member: ['public', 'read', 'write'],
  admin: ['public', 'read', 'write', 'admin'],
  operator: ['public', 'read', 'write', 'admin', 'operator'],
};

const scopeFor: Readonly<Record<Permission, string | undefined>> = {
  public: undefined,
  read: 'read',
  write: 'write',
  admin: 'admin',
  operator: 'admin',
};

export function isAllowed(permission: Permission, role: Role, scopes: readonly string[]): boolean {
  const scope = scopeFor[permission];
  return byRole[role].includes(permission) && (scope === undefined || scopes.includes(scope));
}
