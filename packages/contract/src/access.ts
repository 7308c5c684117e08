/** Who may use the platform: tenants, users, invitations and keys. */
import { z } from 'zod';
import { baseShape, nameSchema, timeSchema } from './common.ts';

export const roles = ['viewer', 'member', 'admin', 'operator'] as const;
export type Role = (typeof roles)[number];

/** What a key may be used for; it can only narrow its holder's role. */
export const scopes = ['read', 'write', 'infer', 'admin'] as const;
export type KeyScope = (typeof scopes)[number];

export const tenantSchema = z.object({ ...baseShape, displayName: z.string().optional() });
export const tenantCreate = z.strictObject({ name: nameSchema, displayName: z.string().max(200).optional() });
export type Tenant = z.output<typeof tenantSchema>;

export const userSchema = z.object({
  ...baseShape,
  kind: z.enum(['user', 'service-account']),
  role: z.enum(roles),
  state: z.enum(['invited', 'active', 'disabled']),
});
export const userCreate = z.strictObject({
  name: nameSchema,
  kind: z.enum(['user', 'service-account']).default('user'),
  role: z.enum(roles).default('member'),
});
export type User = z.output<typeof userSchema>;

export const userUpdate = z.strictObject({
  role: z.enum(roles).optional(),
  state: z.enum(['active', 'disabled']).optional(),
});

/** An open invitation; `name` is the invited user's. */
export const invitationSchema = z.object({
  ...baseShape,
  role: z.enum(roles),
  state: z.enum(['open', 'expired']),
  invitedBy: z.string(),
  expiresAt: timeSchema,
});
export const invitationCreate = z.strictObject({
  name: nameSchema,
  role: z.enum(roles).default('member'),
  expiresInHours: z
    .number()
    .int()
    .min(1)
    .max(30 * 24)
    .default(7 * 24),
});
/** The token is shown once; who has it becomes the user. */
export const invitationCreated = invitationSchema.extend({ token: z.string() });
export const invitationAccept = z.strictObject({ token: z.string().min(1).max(200) });
export type Invitation = z.output<typeof invitationSchema>;

export const keySchema = z.object({
  id: z.string(),
  tenant: z.string(),
  user: z.string(),
  prefix: z.string(),
  scopes: z.array(z.string()),
  createdAt: timeSchema,
  expiresAt: timeSchema.optional(),
  revokedAt: timeSchema.optional(),
});
export const keyCreate = z.strictObject({
  user: nameSchema.optional(),
  scopes: z.array(z.enum(scopes)).min(1).default(['read', 'write', 'infer']),
  expiresInDays: z.number().int().min(1).max(3650).optional(),
});
export const keyRotate = z.strictObject({
  /** For how long the old key still works, so that its users can change over. */
  overlapHours: z.number().int().min(0).max(168).default(0),
});
export type Key = z.output<typeof keySchema>;
export const keyCreated = keySchema.extend({ secret: z.string() });
export const whoamiSchema = z.object({
  tenant: z.string(),
  user: z.string(),
  role: z.enum(roles),
  scopes: z.array(z.string()),
});
