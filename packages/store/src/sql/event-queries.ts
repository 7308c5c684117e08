/** Events are written last in their transaction and read in commit order. */
import type { EventRow, NewEvent, Page, Tx } from '@gantry/ports';
import type { Queryable } from '../database.ts';
import { type EventRecord, toEventRow } from '../rows.ts';
import { notOurCursor } from './not-our-cursor.ts';
import { storableJson } from './storable.ts';

const eventLockKey = 7_070_002;

export interface EventQueries extends Pick<Tx, 'event' | 'listEvents'> {
  /**
   * Writes the events as the last thing before COMMIT, under one lock: sequence numbers are then in commit
   * order and the feed cannot overtake a slower transaction. The lock is taken last, so it never deadlocks.
   */
  flushEvents(): Promise<void>;
  /** Of one tenant or all, for the feed. */
  eventsAfter(seq: number, limit: number, tenantId: string | undefined): Promise<readonly EventRow[]>;
  newestSeq(): Promise<number>;
}

export function eventQueries(connection: Queryable): EventQueries {
  const events: NewEvent[] = [];
  return {
    event(event: NewEvent): Promise<void> {
      events.push(event);
      return Promise.resolve();
    },
    async flushEvents(): Promise<void> {
      if (events.length === 0) return;
      await connection.query('select pg_advisory_xact_lock($1)', [eventLockKey]);
      await connection.query(
        `insert into event (tenant_id, kind, resource_id, type, from_state, to_state, actor, reason, request_id)
         select one->>'tenantId', one->>'kind', one->>'resourceId', one->>'type', one->>'fromState', one->>'toState',
           one->>'actor', one->'reason', one->>'requestId'
         from jsonb_array_elements($1::jsonb) with ordinality as list(one, nth) order by nth`,
        [storableJson(events)],
      );
      await connection.query("select pg_notify('gantry_event', '')");
    },
    async listEvents(query: {
      tenantId: string;
      resourceId?: string;
      limit: number;
      cursor?: string;
      newestFirst: boolean;
    }): Promise<Page<EventRow>> {
      if (query.cursor !== undefined && !/^\d{1,15}$/.test(query.cursor)) throw notOurCursor();
      const cursor = query.cursor === undefined ? null : Number(query.cursor);
      const { rows } = await connection.query<EventRecord>(
        `select * from event where tenant_id = $1 and ($2::text is null or resource_id = $2)
           and ($3::bigint is null or seq ${query.newestFirst ? '<' : '>'} $3)
         order by seq ${query.newestFirst ? 'desc' : 'asc'} limit $4`,
        [query.tenantId, query.resourceId ?? null, cursor, query.limit + 1],
      );
      const items = rows.slice(0, query.limit).map(toEventRow);
      return { items, nextCursor: rows.length > query.limit ? String(items.at(-1)?.seq) : undefined };
    },
    /** Events after `seq`, of one tenant or all, for the feed. */
    async eventsAfter(
      seq: number,
      limit: number,
      tenantId: string | undefined,
    ): Promise<readonly EventRow[]> {
      const { rows } = await connection.query<EventRecord>(
        'select * from event where seq > $1 and ($3::text is null or tenant_id = $3) order by seq limit $2',
        [seq, limit, tenantId ?? null],
      );
      return rows.map(toEventRow);
    },
    async newestSeq(): Promise<number> {
      const { rows } = await connection.query<{ seq: string | number | null }>(
        'select max(seq) as seq from event',
      );
      return Number(rows[0]?.seq ?? 0);
    },
  };
}
