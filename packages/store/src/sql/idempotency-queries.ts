import type { IdempotentRequest } from '@gantry/ports';
import type { Queryable } from '../database.ts';
import { storableJson } from './storable.ts';

export interface IdempotentAnswer {
  readonly route: string;
  readonly requestHash: string;
  /** Undefined where the server died before it could answer. */
  readonly response: unknown;
  readonly resourceId: string | undefined;
}

export interface IdempotencyQueries {
  idempotentAnswer(tenantId: string, key: string): Promise<IdempotentAnswer | undefined>;
  /** Takes the key, for the row that this transaction made. */
  takeKey(request: IdempotentRequest, resourceId: string): Promise<void>;
  keepAnswer(request: IdempotentRequest, response: unknown): Promise<void>;
}

export function idempotencyQueries(connection: Queryable): IdempotencyQueries {
  return {
    async idempotentAnswer(tenantId: string, key: string): Promise<IdempotentAnswer | undefined> {
      const { rows } = await connection.query<{
        route: string;
        request_hash: string;
        response: unknown;
        resource_id: string | null;
      }>(
        'select route, request_hash, response, resource_id from idempotency where tenant_id = $1 and key = $2',
        [tenantId, key],
      );
      return (
        rows[0] && {
          route: rows[0].route,
          requestHash: rows[0].request_hash,
          response: rows[0].response ?? undefined,
          resourceId: rows[0].resource_id ?? undefined,
        }
      );
    },
    async takeKey(request: IdempotentRequest, resourceId: string): Promise<void> {
      await connection.query(
        'insert into idempotency (tenant_id, key, route, request_hash, resource_id) values ($1, $2, $3, $4, $5)',
        [request.tenantId, request.key, request.route, request.requestHash, resourceId],
      );
    },
    async keepAnswer(request: IdempotentRequest, response: unknown): Promise<void> {
      await connection.query(
        `insert into idempotency (tenant_id, key, route, request_hash, response) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, key) do update set response = excluded.response where idempotency.response is null`,
        [request.tenantId, request.key, request.route, request.requestHash, storableJson(response)],
      );
      await connection.query(
        "delete from idempotency where tenant_id = $1 and at < clock_timestamp() - interval '3 days'",
        [request.tenantId],
      );
    },
  };
}
