/** The port's transaction over SQL. Every value is a parameter; row-level security decides what exists. */
import { GantryError } from '@gantry/contract';
import type {
  ApiKeyRow,
  EventRow,
  IdempotentRequest,
  ListQuery,
  NewEvent,
  NewRow,
  Page,
  Row,
  RowChange,
  Tx,
  UsageQuery,
  UsageRecord,
  UsageRow,
} from '@gantry/ports';
import type { Queryable } from './database.ts';
import {
  type EventRecord,
  type KeyRecord,
  type ResourceRecord,
  toEventRow,
  toKeyRow,
  toRow,
} from './rows.ts';

const columns = 'kind, id, tenant_id, name, state, parent_id, spec, status, version, created_at, updated_at';
export const eventLockKey = 7_070_002;

/** What a usage report groups by, as SQL. Keys are people's words where the row has a name. */
const usageKeys: Readonly<Record<UsageQuery['by'], string>> = {
  tenant:
    "coalesce((select name from resource r where r.kind = 'tenant' and r.id = l.tenant_id), l.tenant_id)",
  user: "coalesce((select name from resource r where r.kind = 'user' and r.id = l.user_id), l.user_id, '-')",
  queue:
    "coalesce((select name from resource r where r.kind = 'queue' and r.id = l.queue_id), l.queue_id, '-')",
  job: "coalesce((select name from resource r where r.kind = 'job' and r.id = l.job_id), l.job_id, '-')",
  endpoint:
    "coalesce((select name from resource r where r.kind = 'endpoint' and r.id = l.endpoint_id), l.endpoint_id, '-')",
  resource: 'l.resource',
};

export interface IdempotentAnswer {
  readonly route: string;
  readonly requestHash: string;
  /** Undefined where the server died before it could answer. */
  readonly response: unknown;
  readonly resourceId: string | undefined;
}

const notOurCursor = (): GantryError =>
  new GantryError('validation_failed', 'this cursor is not one of ours', {
    hint: 'take nextCursor of the page before',
  });

export class SqlTx implements Tx {
  readonly #connection: Queryable;
  readonly #events: NewEvent[] = [];
  /** The first row this transaction made. */
  firstInsertedId: string | undefined;

  constructor(connection: Queryable) {
    this.#connection = connection;
  }

  async insert(row: NewRow): Promise<Row> {
    this.firstInsertedId ??= row.id;
    try {
      return await this.#one(
        `insert into resource (kind, id, tenant_id, name, state, parent_id, spec, status)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${columns}`,
        [
          row.kind,
          row.id,
          row.tenantId,
          row.name,
          row.state,
          row.parentId ?? null,
          JSON.stringify(row.spec),
          JSON.stringify(row.status),
        ],
      );
    } catch (error) {
      if ((error as { code?: string }).code !== '23505') throw error;
      throw new GantryError('already_exists', `there is a ${row.kind} "${row.name}" already`, {
        hint: 'choose another name',
        cause: error,
      });
    }
  }

  async get(kind: string, id: string): Promise<Row | undefined> {
    const { rows } = await this.#connection.query<ResourceRecord>(
      `select ${columns} from resource where kind = $1 and id = $2 and deleted_at is null`,
      [kind, id],
    );
    return rows[0] && toRow(rows[0]);
  }

  async byName(kind: string, tenantId: string, name: string): Promise<Row | undefined> {
    const { rows } = await this.#connection.query<ResourceRecord>(
      `select ${columns} from resource where kind = $1 and tenant_id = $2 and name = $3 and deleted_at is null`,
      [kind, tenantId, name],
    );
    return rows[0] && toRow(rows[0]);
  }

  async list(kind: string, query: ListQuery): Promise<Page<Row>> {
    const values: unknown[] = [kind];
    const where = ['kind = $1', 'deleted_at is null'];
    const add = (condition: (parameter: string) => string, value: unknown): void => {
      values.push(value);
      where.push(condition(`$${values.length}`));
    };
    if (query.tenantId !== undefined) add((parameter) => `tenant_id = ${parameter}`, query.tenantId);
    if (query.parentId !== undefined) add((parameter) => `parent_id = ${parameter}`, query.parentId);
    if (query.state !== undefined) add((parameter) => `state = any(${parameter})`, query.state);
    // Ids sort by creation time, so the cursor is the last id seen.
    if (query.cursor !== undefined && !/^[a-z]+_[0-9a-z]{1,26}$/.test(query.cursor)) throw notOurCursor();
    if (query.cursor !== undefined)
      add((parameter) => `id ${query.newestFirst ? '<' : '>'} ${parameter}`, query.cursor);
    values.push(query.limit + 1);
    const { rows } = await this.#connection.query<ResourceRecord>(
      `select ${columns} from resource where ${where.join(' and ')} order by id ${query.newestFirst ? 'desc' : 'asc'} limit $${values.length}`,
      values,
    );
    const items = rows.slice(0, query.limit).map(toRow);
    return { items, nextCursor: rows.length > query.limit ? items.at(-1)?.id : undefined };
  }

  async count(kind: string, tenantId: string): Promise<number> {
    const { rows } = await this.#connection.query<{ count: number }>(
      'select count(*)::int as count from resource where kind = $1 and tenant_id = $2',
      [kind, tenantId],
    );
    return rows[0]?.count ?? 0;
  }

  async countByState(kind: string, tenantId?: string): Promise<Record<string, number>> {
    const { rows } = await this.#connection.query<{ state: string; count: number }>(
      'select state, count(*)::int as count from resource where kind = $1 and deleted_at is null and ($2::text is null or tenant_id = $2) group by state',
      [kind, tenantId ?? null],
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  }

  async update(kind: string, id: string, change: RowChange): Promise<Row> {
    const { rows } = await this.#connection.query<ResourceRecord>(
      `update resource set
         state = coalesce($3, state), spec = coalesce($4, spec), status = coalesce($5, status),
         version = version + 1, updated_at = clock_timestamp()
       where kind = $1 and id = $2 and deleted_at is null and ($6::int is null or version = $6)
       returning ${columns}`,
      [
        kind,
        id,
        change.state ?? null,
        change.spec === undefined ? null : JSON.stringify(change.spec),
        change.status === undefined ? null : JSON.stringify(change.status),
        change.expectedVersion ?? null,
      ],
    );
    if (rows[0] !== undefined) return toRow(rows[0]);
    if ((await this.get(kind, id)) === undefined)
      throw new GantryError('not_found', `there is no such ${kind}`);
    throw new GantryError('version_conflict', `the ${kind} was changed meanwhile`, {
      hint: 'read it again and repeat the change',
    });
  }

  async softDelete(kind: string, id: string): Promise<void> {
    await this.#connection.query(
      'update resource set deleted_at = clock_timestamp(), version = version + 1 where kind = $1 and id = $2 and deleted_at is null',
      [kind, id],
    );
  }

  event(event: NewEvent): Promise<void> {
    this.#events.push(event);
    return Promise.resolve();
  }

  /**
   * Writes the events as the last thing before COMMIT, under one lock: sequence numbers are then in commit
   * order and the feed cannot overtake a slower transaction. The lock is taken last, so it never deadlocks.
   */
  async flushEvents(): Promise<void> {
    if (this.#events.length === 0) return;
    await this.#connection.query('select pg_advisory_xact_lock($1)', [eventLockKey]);
    for (const event of this.#events) {
      await this.#connection.query(
        `insert into event (tenant_id, kind, resource_id, type, from_state, to_state, actor, reason, request_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [
          event.tenantId,
          event.kind,
          event.resourceId,
          event.type,
          event.fromState ?? null,
          event.toState ?? null,
          event.actor,
          event.reason === undefined ? null : JSON.stringify(event.reason),
          event.requestId ?? null,
        ],
      );
    }
    await this.#connection.query("select pg_notify('gantry_event', '')");
  }

  async listEvents(query: {
    tenantId: string;
    resourceId?: string;
    limit: number;
    cursor?: string;
    newestFirst: boolean;
  }): Promise<Page<EventRow>> {
    if (query.cursor !== undefined && !/^\d{1,15}$/.test(query.cursor)) throw notOurCursor();
    const cursor = query.cursor === undefined ? null : Number(query.cursor);
    const { rows } = await this.#connection.query<EventRecord>(
      `select * from event where tenant_id = $1 and ($2::text is null or resource_id = $2)
         and ($3::bigint is null or seq ${query.newestFirst ? '<' : '>'} $3)
       order by seq ${query.newestFirst ? 'desc' : 'asc'} limit $4`,
      [query.tenantId, query.resourceId ?? null, cursor, query.limit + 1],
    );
    const items = rows.slice(0, query.limit).map(toEventRow);
    return { items, nextCursor: rows.length > query.limit ? String(items.at(-1)?.seq) : undefined };
  }

  /** Events after `seq`, of one tenant or all, for the feed. */
  async eventsAfter(seq: number, limit: number, tenantId: string | undefined): Promise<readonly EventRow[]> {
    const { rows } = await this.#connection.query<EventRecord>(
      'select * from event where seq > $1 and ($3::text is null or tenant_id = $3) order by seq limit $2',
      [seq, limit, tenantId ?? null],
    );
    return rows.map(toEventRow);
  }

  async newestSeq(): Promise<number> {
    const { rows } = await this.#connection.query<{ seq: string | number | null }>(
      'select max(seq) as seq from event',
    );
    return Number(rows[0]?.seq ?? 0);
  }

  async usage(record: UsageRecord): Promise<void> {
    await this.#connection.query(
      `insert into ledger (id, tenant_id, at, user_id, queue_id, job_id, endpoint_id, attempt_id, resource, quantity, unit, price, currency)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (id) do nothing`,
      [
        record.id,
        record.tenantId,
        record.at,
        record.userId ?? null,
        record.queueId ?? null,
        record.jobId ?? null,
        record.endpointId ?? null,
        record.attemptId ?? null,
        record.resource,
        record.quantity,
        record.unit,
        record.price,
        record.currency,
      ],
    );
  }

  async usageReport(query: UsageQuery): Promise<readonly UsageRow[]> {
    const { rows } = await this.#connection.query<{
      key: string;
      resource: string;
      quantity: string | number;
      unit: string;
      cost: string | number;
      currency: string;
    }>(
      `select ${usageKeys[query.by]} as key, l.resource, sum(l.quantity) as quantity, l.unit, sum(l.quantity * l.price) as cost, l.currency
       from ledger l where l.tenant_id = $1 and ($2::timestamptz is null or l.at >= $2) and ($3::timestamptz is null or l.at < $3)
       group by 1, l.resource, l.unit, l.currency order by cost desc, key limit 1000`,
      [query.tenantId, query.from ?? null, query.to ?? null],
    );
    return rows.map((row) => ({ ...row, quantity: Number(row.quantity), cost: Number(row.cost) }));
  }

  async insertKey(key: ApiKeyRow): Promise<void> {
    await this.#connection.query(
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
  }

  async getKey(id: string): Promise<ApiKeyRow | undefined> {
    const { rows } = await this.#connection.query<KeyRecord>('select * from api_key where id = $1', [id]);
    return rows[0] && toKeyRow(rows[0]);
  }

  async listKeys(tenantId: string): Promise<readonly ApiKeyRow[]> {
    const { rows } = await this.#connection.query<KeyRecord>(
      'select * from api_key where tenant_id = $1 order by id',
      [tenantId],
    );
    return rows.map(toKeyRow);
  }

  async revokeKey(id: string, at?: string): Promise<void> {
    await this.#connection.query(
      'update api_key set revoked_at = least(revoked_at, coalesce($2::timestamptz, clock_timestamp())) where id = $1',
      [id, at ?? null],
    );
  }

  async idempotentAnswer(tenantId: string, key: string): Promise<IdempotentAnswer | undefined> {
    const { rows } = await this.#connection.query<{
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
  }

  /** Takes the key, for the row that this transaction made. */
  async takeKey(request: IdempotentRequest, resourceId: string): Promise<void> {
    await this.#connection.query(
      'insert into idempotency (tenant_id, key, route, request_hash, resource_id) values ($1, $2, $3, $4, $5)',
      [request.tenantId, request.key, request.route, request.requestHash, resourceId],
    );
  }

  async keepAnswer(request: IdempotentRequest, response: unknown): Promise<void> {
    await this.#connection.query(
      `insert into idempotency (tenant_id, key, route, request_hash, response) values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, key) do update set response = excluded.response where idempotency.response is null`,
      [request.tenantId, request.key, request.route, request.requestHash, JSON.stringify(response)],
    );
    await this.#connection.query(
      "delete from idempotency where tenant_id = $1 and at < clock_timestamp() - interval '3 days'",
      [request.tenantId],
    );
  }

  async #one(text: string, values: readonly unknown[]): Promise<Row> {
    const { rows } = await this.#connection.query<ResourceRecord>(text, values);
    return toRow(rows[0] as ResourceRecord);
  }
}
