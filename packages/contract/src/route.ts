/** What a route says of itself; the tables of routes are made of these. */
import { z } from 'zod';
import type { ErrorCode } from './errors.ts';

export const permissions = ['public', 'read', 'write', 'admin', 'operator'] as const;
export type Permission = (typeof permissions)[number];

export interface RouteDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly errors: readonly ErrorCode[];
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly response?: z.ZodType;
  /** Answers a stream of server-sent events instead of one JSON body. */
  readonly stream?: 'events' | 'log' | 'bytes';
  /** The body is a stream of bytes (`application/octet-stream`), bounded by the handler. */
  readonly takesBytes?: true;
  /** Takes an `Idempotency-Key`: the same key and body give the first answer again. */
  readonly idempotent?: true;
  /** Takes `If-Match` with the ETag last read: refused with `version_conflict` when the resource has moved on. */
  readonly conditional?: true;
  readonly successStatus?: number;
}

export const route = <const T extends RouteDefinition>(definition: T): T => definition;

export const ok = z.object({ ok: z.literal(true) });
/** Errors of routes that name a resource, and of those that make one. */
export const named = ['not_found'] as const;
export const created = [
  'validation_failed',
  'unknown_field',
  'already_exists',
  'idempotency_mismatch',
] as const;
