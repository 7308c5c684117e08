import type { ApiKeyRow, Tx } from '@gantry/ports';
import type { Queryable } from '../database.ts';
import { type KeyRecord, toKeyRow } from '../rows.ts';

export function keyQueries(
  connection: Queryable,
): Pick<Tx, 'insertKey' | 'getKey' | 'listKeys' | 'revokeKey'> {
  return {
    async insertKey(key: ApiKeyRow): Promise<void> {
      await connection.query(
        'insert into api_key (id, tenant_id, hash, prefix, principal_id, scopes, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)',
        [
          key.id,
          key.tenantId,
          key.hash,
          key.prefix,
          key.principalId,
          JSON.stringify(key.scopes),
          key.createdAt,
          key.expiresAt ?? null,
        ],
      );
    },
    async getKey(id: string): Promise<ApiKeyRow | undefined> {
      const { rows } = await connection.query<KeyRecord>('select * from api_key where id = $1', [id]);
      return rows[0] && toKeyRow(rows[0]);
    },
    async listKeys(tenantId: string): Promise<readonly ApiKeyRow[]> {
      const { rows } = await connection.query<KeyRecord>(
        'select * from api_key where tenant_id = $1 order by id',
        [tenantId],
      );
      return rows.map(toKeyRow);
    },
    async revokeKey(id: string, at?: string): Promise<void> {
      await connection.query(
        'update api_key set revoked_at = least(revoked_at, coalesce($2::timestamptz, clock_timestamp())) where id = $1',
        [id, at ?? null],
      );
    },
  };
}
