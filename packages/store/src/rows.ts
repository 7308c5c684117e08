import type { ApiKeyRow, EventRow, Row } from '@gantry/ports';

export interface ResourceRecord extends Record<string, unknown> {
  kind: string;
  id: string;
  tenant_id: string;
  name: string;
  state: string;
  parent_id: string | null;
  spec: unknown;
  status: unknown;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export const toRow = (record: ResourceRecord): Row => ({
  kind: record.kind,
  id: record.id,
  tenantId: record.tenant_id,
  name: record.name,
  state: record.state,
  parentId: record.parent_id ?? undefined,
  spec: record.spec,
  status: record.status,
  version: record.version,
  createdAt: record.created_at.toISOString(),
  updatedAt: record.updated_at.toISOString(),
});

export interface EventRecord extends Record<string, unknown> {
  seq: string | number;
  tenant_id: string;
  at: Date;
  kind: string;
  resource_id: string;
  type: string;
  from_state: string | null;
  to_state: string | null;
  actor: string;
  reason: Record<string, unknown> | null;
  request_id: string | null;
}

export const toEventRow = (record: EventRecord): EventRow => ({
  seq: Number(record.seq),
  at: record.at.toISOString(),
  tenantId: record.tenant_id,
  kind: record.kind,
  resourceId: record.resource_id,
  type: record.type,
  actor: record.actor,
  fromState: record.from_state ?? undefined,
  toState: record.to_state ?? undefined,
  reason: record.reason ?? undefined,
  requestId: record.request_id ?? undefined,
});

export interface KeyRecord extends Record<string, unknown> {
  id: string;
  tenant_id: string;
  hash: string;
  prefix: string;
  principal_id: string;
  scopes: string[];
  created_at: Date;
  expires_at: Date | null;
  revoked_at: Date | null;
}

export const toKeyRow = (record: KeyRecord): ApiKeyRow => ({
  id: record.id,
  tenantId: record.tenant_id,
  hash: record.hash,
  prefix: record.prefix,
  principalId: record.principal_id,
  scopes: record.scopes,
  createdAt: record.created_at.toISOString(),
  ...(record.expires_at === null ? {} : { expiresAt: record.expires_at.toISOString() }),
  ...(record.revoked_at === null ? {} : { revokedAt: record.revoked_at.toISOString() }),
});
