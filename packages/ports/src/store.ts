/**
 * The rows that the rules read and write. One transaction holds a change and its event; every row carries its
 * tenant, and a scope decides which rows exist for the caller at all (row-level security, docs/store.md).
 */
export type Scope = { readonly tenantId: string } | { readonly platform: true };

export interface Row {
  readonly kind: string;
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly state: string;
  readonly parentId: string | undefined;
  readonly spec: unknown;
  readonly status: unknown;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface NewRow {
  readonly kind: string;
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly state: string;
  readonly parentId?: string;
  readonly spec: unknown;
  readonly status: unknown;
}

export interface RowChange {
  /** The change is refused with `version_conflict` when the row has moved on. */
  readonly expectedVersion?: number;
  readonly state?: string;
  readonly spec?: unknown;
  readonly status?: unknown;
}

export interface ListQuery {
  readonly tenantId?: string;
  readonly state?: readonly string[];
  readonly parentId?: string;
  readonly limit: number;
  readonly cursor?: string;
  readonly newestFirst: boolean;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | undefined;
}

export interface NewEvent {
  readonly tenantId: string;
  readonly kind: string;
  readonly resourceId: string;
  readonly type: string;
  readonly actor: string;
  readonly fromState?: string;
  readonly toState?: string;
  readonly reason?: Record<string, unknown>;
  readonly requestId?: string;
}

export interface EventRow {
  readonly seq: number;
  readonly at: string;
  readonly tenantId: string;
  readonly kind: string;
  readonly resourceId: string;
  readonly type: string;
  readonly actor: string;
  readonly fromState: string | undefined;
  readonly toState: string | undefined;
  readonly reason: Record<string, unknown> | undefined;
  readonly requestId: string | undefined;
}

export type FeedEvent = EventRow;

/** One line of the ledger. `id` makes it idempotent: written twice, it counts once. */
export interface UsageRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly at: string;
  readonly userId?: string;
  readonly queueId?: string;
  readonly jobId?: string;
  readonly endpointId?: string;
  readonly attemptId?: string;
  readonly resource: string;
  readonly quantity: number;
  readonly unit: string;
  readonly price: number;
  readonly currency: string;
}

export interface UsageQuery {
  readonly tenantId: string;
  readonly by: 'tenant' | 'user' | 'queue' | 'job' | 'endpoint' | 'resource';
  readonly from?: string;
  readonly to?: string;
}

export interface UsageRow {
  readonly key: string;
  readonly resource: string;
  readonly quantity: number;
  readonly unit: string;
  readonly cost: number;
  readonly currency: string;
}

export interface ApiKeyRow {
  readonly id: string;
  readonly tenantId: string;
  readonly hash: string;
  readonly prefix: string;
  readonly principalId: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

/** Throws GantryError: `already_exists` (a live row of that kind and name), `version_conflict`, `not_found`. */
export interface Tx {
  insert(row: NewRow): Promise<Row>;
  get(kind: string, id: string): Promise<Row | undefined>;
  byName(kind: string, tenantId: string, name: string): Promise<Row | undefined>;
  /** The newest of those that had the name and were deleted. */
  lastDeleted(kind: string, tenantId: string, name: string): Promise<Row | undefined>;
  list(kind: string, query: ListQuery): Promise<Page<Row>>;
  count(kind: string, tenantId: string): Promise<number>;
  countByState(kind: string, tenantId?: string): Promise<Record<string, number>>;
  update(kind: string, id: string, change: RowChange): Promise<Row>;
  /** All in one go. Answers the ids of those that were changed; who has moved on, or is gone, is left alone. */
  updateMany(
    kind: string,
    changes: readonly (RowChange & { readonly id: string; readonly expectedVersion: number })[],
  ): Promise<ReadonlySet<string>>;
  softDelete(kind: string, id: string): Promise<void>;
  event(event: NewEvent): Promise<void>;
  listEvents(query: {
    tenantId: string;
    resourceId?: string;
    limit: number;
    cursor?: string;
    newestFirst: boolean;
  }): Promise<Page<EventRow>>;
  usage(record: UsageRecord): Promise<void>;
  usageReport(query: UsageQuery): Promise<readonly UsageRow[]>;
  insertKey(key: ApiKeyRow): Promise<void>;
  getKey(id: string): Promise<ApiKeyRow | undefined>;
  listKeys(tenantId: string): Promise<readonly ApiKeyRow[]>;
  /** Works until `at`, now when left out; an earlier end stays. */
  revokeKey(id: string, at?: string): Promise<void>;
}

export interface FeedOptions {
  /** Events after this one; the newest there is when left out. */
  readonly sinceSeq?: number;
  readonly tenantId?: string;
}

export interface IdempotentRequest {
  readonly tenantId: string;
  readonly key: string;
  readonly route: string;
  readonly requestHash: string;
}

export interface Store extends AsyncDisposable {
  /** Everything in `fn` commits together or not at all. Rejects with `store_unavailable` while the database is away. */
  tx<T>(scope: Scope, fn: (tx: Tx) => Promise<T>): Promise<T>;
  read<T>(scope: Scope, fn: (tx: Tx) => Promise<T>): Promise<T>;
  /** Events in commit order, of one tenant or all, woken by NOTIFY: an idle feed issues no query. */
  feed(signal: AbortSignal, options?: FeedOptions): AsyncIterable<FeedEvent>;
  /**
   * The first answer again for the same key and request; `idempotency_mismatch` for another request under the key.
   * The key is taken in the first transaction of `act` that makes a row. Where a server died between that commit
   * and its answer, `recover` makes the answer from the row's id: `act` never runs twice.
   */
  idempotent<T>(
    request: IdempotentRequest,
    act: () => Promise<T>,
    recover: (resourceId: string) => Promise<T>,
  ): Promise<T>;
  /** Called when the database was away and is back: what was missed is to be looked at again. */
  onRecovered(listener: () => void): Disposable;
  health(): { readonly ok: boolean; readonly reason?: string };
  readonly facts: { readonly description: string };
  /** Statements sent since it was opened. */
  readonly stats: { readonly statements: number };
}
