/** Resources of every kind: one table, a page by id, versions that refuse a write made from an old one. */
import { GantryError } from '@gantry/contract';
import type { ListQuery, NewRow, Page, Row, RowChange, Tx } from '@gantry/ports';
import type { Queryable } from '../database.ts';
import { type ResourceRecord, toRow } from '../rows.ts';
import { notOurCursor } from './not-our-cursor.ts';
import { storableJson } from './storable.ts';

type ResourceQueries = Pick<
  Tx,
  | 'insert'
  | 'get'
  | 'byName'
  | 'lastDeleted'
  | 'list'
  | 'count'
  | 'countByState'
  | 'update'
  | 'updateMany'
  | 'softDelete'
>;

const columns = 'kind, id, tenant_id, name, state, parent_id, spec, status, version, created_at, updated_at';

export function resourceQueries(connection: Queryable): ResourceQueries {
  const get = async (kind: string, id: string): Promise<Row | undefined> => {
    const { rows } = await connection.query<ResourceRecord>(
      `select ${columns} from resource where kind = $1 and id = $2 and deleted_at is null`,
      [kind, id],
    );
    return rows[0] && toRow(rows[0]);
  };
  return {
    async insert(row: NewRow): Promise<Row> {
      try {
        const { rows } = await connection.query<ResourceRecord>(
          `insert into resource (kind, id, tenant_id, name, state, parent_id, spec, status)
           values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${columns}`,
          [
            row.kind,
            row.id,
            row.tenantId,
            row.name,
            row.state,
            row.parentId ?? null,
            storableJson(row.spec),
            storableJson(row.status),
          ],
        );
        return toRow(rows[0] as ResourceRecord);
      } catch (error) {
        if ((error as { code?: string }).code !== '23505') throw error;
        throw new GantryError('already_exists', `${row.kind} "${row.name}" exists already`, {
          hint: 'choose another name',
          cause: error,
        });
      }
    },
    get,
    async byName(kind: string, tenantId: string, name: string): Promise<Row | undefined> {
      const { rows } = await connection.query<ResourceRecord>(
        `select ${columns} from resource where kind = $1 and tenant_id = $2 and name = $3 and deleted_at is null`,
        [kind, tenantId, name],
      );
      return rows[0] && toRow(rows[0]);
    },
    async lastDeleted(kind: string, tenantId: string, name: string): Promise<Row | undefined> {
      const { rows } = await connection.query<ResourceRecord>(
        `select ${columns} from resource where kind = $1 and tenant_id = $2 and name = $3 and deleted_at is not null order by id desc limit 1`,
        [kind, tenantId, name],
      );
      return rows[0] && toRow(rows[0]);
    },
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
      const { rows } = await connection.query<ResourceRecord>(
        `select ${columns} from resource where ${where.join(' and ')} order by id ${query.newestFirst ? 'desc' : 'asc'} limit $${values.length}`,
        values,
      );
      const items = rows.slice(0, query.limit).map(toRow);
      return { items, nextCursor: rows.length > query.limit ? items.at(-1)?.id : undefined };
    },
    async count(kind: string, tenantId: string): Promise<number> {
      const { rows } = await connection.query<{ count: number }>(
        'select count(*)::int as count from resource where kind = $1 and tenant_id = $2',
        [kind, tenantId],
      );
      return rows[0]?.count ?? 0;
    },
    async countByState(kind: string, tenantId?: string): Promise<Record<string, number>> {
      const { rows } = await connection.query<{ state: string; count: number }>(
        'select state, count(*)::int as count from resource where kind = $1 and deleted_at is null and ($2::text is null or tenant_id = $2) group by state',
        [kind, tenantId ?? null],
      );
      return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
    },
    async update(kind: string, id: string, change: RowChange): Promise<Row> {
      const { rows } = await connection.query<ResourceRecord>(
        `update resource set
           state = coalesce($3, state), spec = coalesce($4, spec), status = coalesce($5, status),
           version = version + 1, updated_at = clock_timestamp()
         where kind = $1 and id = $2 and deleted_at is null and ($6::int is null or version = $6)
         returning ${columns}`,
        [
          kind,
          id,
          change.state ?? null,
          change.spec === undefined ? null : storableJson(change.spec),
          change.status === undefined ? null : storableJson(change.status),
          change.expectedVersion ?? null,
        ],
      );
      if (rows[0] !== undefined) return toRow(rows[0]);
      if ((await get(kind, id)) === undefined) throw new GantryError('not_found', `there is no such ${kind}`);
      throw new GantryError('version_conflict', `the ${kind} was changed meanwhile`, {
        hint: 'read it again and repeat the change',
      });
    },
    /**
     * Each row is found by its key and then taken where it lies. Left to itself Postgres guesses, before it has
     * counted a young table, that reading all rows of the kind is cheaper than so many look-ups.
     */
    async updateMany(kind, changes): Promise<ReadonlySet<string>> {
      const { rows } = await connection.query<{ id: string }>(
        `update resource set
           state = coalesce(change.state, resource.state), spec = coalesce(change.spec, resource.spec),
           status = coalesce(change.status, resource.status),
           version = resource.version + 1, updated_at = clock_timestamp()
         from (
           select given.*, (
             select ctid from resource as found
             where found.kind = $1 and found.id = given.id and found.deleted_at is null
           ) as place
           from jsonb_to_recordset($2::jsonb) as given(id text, "expectedVersion" int, state text, spec jsonb, status jsonb)
           offset 0
         ) as change
         where resource.ctid = change.place
           and resource.version = change."expectedVersion" and resource.deleted_at is null
         returning resource.id`,
        [kind, storableJson(changes)],
      );
      return new Set(rows.map(({ id }) => id));
    },
    async softDelete(kind: string, id: string): Promise<void> {
      await connection.query(
        'update resource set deleted_at = clock_timestamp(), version = version + 1 where kind = $1 and id = $2 and deleted_at is null',
        [kind, id],
      );
    },
  };
}
