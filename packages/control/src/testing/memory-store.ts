/**
 * The store's port in memory, for tests of the rules: a transaction works on a copy and replaces the whole when
 * it commits, so nothing half done can be seen. One transaction at a time.
 */
import { GantryError } from '@gantry/contract';
import type { ApiKeyRow, EventRow, Page, Row, Store, Tx, UsageRecord } from '@gantry/ports';

interface State {
  readonly rows: Map<string, Row>;
  readonly deleted: Row[];
  readonly events: EventRow[];
  readonly usage: Map<string, UsageRecord>;
  readonly keys: Map<string, ApiKeyRow>;
}

export interface MemoryStore extends Store {
  readonly events: readonly EventRow[];
  readonly usage: readonly UsageRecord[];
  /** Transactions and reads so far. */
  readonly queries: number;
  /** While set, every transaction fails with it. */
  failWith: Error | undefined;
}

const at = '2026-01-01T00:00:00.000Z';

export function createMemoryStore(): MemoryStore {
  let state: State = { rows: new Map(), deleted: [], events: [], usage: new Map(), keys: new Map() };
  let tail: Promise<unknown> = Promise.resolve();
  let queries = 0;
  const store: MemoryStore = {
    failWith: undefined,
    get events() {
      return state.events;
    },
    get usage() {
      return [...state.usage.values()];
    },
    get queries() {
      return queries;
    },
    tx: (_scope, fn) => {
      const mine = tail.then(async () => {
        queries += 1;
        if (store.failWith !== undefined) throw store.failWith;
        const copy: State = {
          rows: new Map(state.rows),
          deleted: [...state.deleted],
          events: [...state.events],
          usage: new Map(state.usage),
          keys: new Map(state.keys),
        };
        const result = await fn(createTx(copy));
        state = copy;
        return result;
      });
      tail = mine.catch(() => undefined);
      return mine;
    },
    read: (scope, fn) => store.tx(scope, fn),
    async *feed() {},
    idempotent: (_request, act) => act(),
    onRecovered: () => ({ [Symbol.dispose]: () => undefined }),
    stats: { statements: 0 },
    health: () => ({ ok: true }),
    facts: { description: 'memory' },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return store;
}

function createTx(state: State): Tx {
  const keyOf = (kind: string, id: string): string => `${kind}/${id}`;
  const rowsOf = (kind: string): readonly Row[] =>
    [...state.rows.values()]
      .filter((row) => row.kind === kind)
      .sort((one, other) => (one.id < other.id ? -1 : 1));
  const tx: Tx = {
    insert: async (row) => {
      if (rowsOf(row.kind).some(({ tenantId, name }) => tenantId === row.tenantId && name === row.name))
        throw new GantryError('already_exists', `${row.kind} "${row.name}" exists already`);
      const next: Row = { parentId: undefined, ...copyOf(row), version: 1, createdAt: at, updatedAt: at };
      state.rows.set(keyOf(row.kind, row.id), next);
      return next;
    },
    get: async (kind, id) => state.rows.get(keyOf(kind, id)),
    byName: async (kind, tenantId, name) =>
      rowsOf(kind).find((row) => row.tenantId === tenantId && row.name === name),
    lastDeleted: async (kind, tenantId, name) =>
      state.deleted.findLast((row) => row.kind === kind && row.tenantId === tenantId && row.name === name),
    list: async (kind, query) => {
      const all = rowsOf(kind)
        .filter(({ tenantId }) => query.tenantId === undefined || tenantId === query.tenantId)
        .filter(({ parentId }) => query.parentId === undefined || parentId === query.parentId)
        .filter(({ state: now }) => query.state === undefined || query.state.includes(now));
      if (query.newestFirst) all.reverse();
      return pageOf(all, query.limit, query.cursor, ({ id }) => id);
    },
    count: async (kind, tenantId) => rowsOf(kind).filter((row) => row.tenantId === tenantId).length,
    countByState: async (kind) => {
      const counts: Record<string, number> = {};
      for (const row of rowsOf(kind)) counts[row.state] = (counts[row.state] ?? 0) + 1;
      return counts;
    },
    update: async (kind, id, change) => {
      const before = state.rows.get(keyOf(kind, id));
      if (before === undefined) throw new GantryError('not_found', `there is no ${kind} ${id}`);
      if (change.expectedVersion !== undefined && change.expectedVersion !== before.version)
        throw new GantryError('version_conflict', `the ${kind} has moved on`);
      const { expectedVersion: _expected, ...fields } = change;
      const next: Row = { ...before, ...copyOf(fields), version: before.version + 1 };
      state.rows.set(keyOf(kind, id), next);
      return next;
    },
    updateMany: async (kind, changes) => {
      const changed = new Set<string>();
      for (const { id, ...change } of changes) {
        if (state.rows.get(keyOf(kind, id))?.version !== change.expectedVersion) continue;
        await tx.update(kind, id, change);
        changed.add(id);
      }
      return changed;
    },
    softDelete: async (kind, id) => {
      const row = state.rows.get(keyOf(kind, id));
      if (row !== undefined) state.deleted.push(row);
      state.rows.delete(keyOf(kind, id));
    },
    event: async (event) => {
      const missing = { fromState: undefined, toState: undefined, reason: undefined, requestId: undefined };
      state.events.push({ ...missing, ...event, seq: state.events.length + 1, at });
    },
    listEvents: async (query) => {
      const all = state.events
        .filter(({ tenantId }) => tenantId === query.tenantId)
        .filter(({ resourceId }) => query.resourceId === undefined || resourceId === query.resourceId);
      if (query.newestFirst) all.reverse();
      return pageOf(all, query.limit, query.cursor, ({ seq }) => String(seq));
    },
    usage: async (record) => {
      if (!state.usage.has(record.id)) state.usage.set(record.id, record);
    },
    usageReport: async () => [],
    insertKey: async (key) => {
      state.keys.set(key.id, key);
    },
    getKey: async (id) => state.keys.get(id),
    listKeys: async (tenantId) => [...state.keys.values()].filter((key) => key.tenantId === tenantId),
    revokeKey: async (id) => {
      state.keys.delete(id);
    },
  };
  return tx;
}

/** As JSON columns give it back: no undefined, nothing shared with the writer. */
const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

function pageOf<T>(
  all: readonly T[],
  limit: number,
  cursor: string | undefined,
  idOf: (item: T) => string,
): Page<T> {
  const from = cursor === undefined ? 0 : all.findIndex((item) => idOf(item) === cursor) + 1;
  const items = all.slice(from, from + limit);
  const last = items.at(-1);
  return { items, nextCursor: from + limit < all.length && last !== undefined ? idOf(last) : undefined };
}
