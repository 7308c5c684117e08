/**
 * Limits and budgets of tenants: rows in the store, counters in the gateway's memory, spending from the ledger.
 * The ledger is asked again after every batch of usage is written and once a minute while a budget exists; what is
 * still waiting to be written is added, so the sum is never behind what was answered.
 */
import type { ServingLimits } from '@gantry/contract';
import { type Deps, allRows, isoNow } from '@gantry/control';
import { createMemoryLimits, type MemoryLimits } from '@gantry/gateway';
import { createId } from '@gantry/kit';
import type { Row, Tx } from '@gantry/ports';

const kind = 'serving-limits';
const rowName = 'limits';

export interface Spending {
  readonly spent: number;
  readonly reserved: number;
  readonly available: number;
  readonly currency: string;
  readonly since: string;
}

export interface ServingLimitsBook extends AsyncDisposable {
  readonly limits: MemoryLimits;
  load(): Promise<void>;
  get(tenantId: string): ServingLimits & { readonly spending?: Spending };
  set(tenantId: string, value: ServingLimits, actor: string, requestId: string): Promise<void>;
  /** `unwritten`: what a tenant's answered requests cost that are not in the ledger yet. */
  reconcile(unwritten: (tenantId: string) => number): Promise<void>;
}

/** What a request costs at today's prices. */
export const createTokenCost =
  (deps: Pick<Deps, 'clock' | 'prices'>) =>
  (usage: { readonly promptTokens: number; readonly completionTokens: number }): number => {
    const at = isoNow(deps.clock);
    return (
      usage.promptTokens * deps.prices.priceOf('prompt_tokens', at).perUnit +
      usage.completionTokens * deps.prices.priceOf('completion_tokens', at).perUnit
    );
  };

export function createServingLimitsBook(deps: Deps, flush: () => Promise<void>): ServingLimitsBook {
  const book = new Map<string, ServingLimits>();
  const tokenCost = createTokenCost(deps);
  const { currency } = deps.prices.priceOf('completion_tokens', isoNow(deps.clock));
  const limits = createMemoryLimits({
    tenantLimits: (tenantId) => book.get(tenantId)?.tenant,
    keyLimits: ({ tenantId, keyId }) => {
      const found = book.get(tenantId);
      return found?.keys?.[keyId ?? ''] ?? found?.eachKey;
    },
    price: (_route, usage) => tokenCost(usage),
  });
  let timer: NodeJS.Timeout | undefined;

  const budgets = (): [string, NonNullable<ServingLimits['budget']>][] =>
    [...book].flatMap(([tenantId, { budget }]) => (budget === undefined ? [] : [[tenantId, budget]]));

  const keepTimer = (): void => {
    if (budgets().length === 0) {
      clearInterval(timer);
      timer = undefined;
    } else timer ??= setInterval(() => void flush(), 60_000).unref();
  };

  const spentSince = async (tx: Tx, tenantId: string, from: string): Promise<number> => {
    const rows = await tx.usageReport({ tenantId, by: 'tenant', from });
    return rows.reduce((sum, row) => sum + (row.currency === currency ? row.cost : 0), 0);
  };

  const reconcile = async (unwritten: (tenantId: string) => number): Promise<void> => {
    for (const [tenantId, budget] of budgets()) {
      const from = startOf(budget.period, deps.clock.nowMs());
      const written = await deps.store.read({ tenantId }, (tx) => spentSince(tx, tenantId, from));
      limits.setBudget(tenantId, { limit: budget.amount, spent: written + unwritten(tenantId) });
    }
  };

  const keep = (row: Row): void => {
    book.set(row.tenantId, row.spec as ServingLimits);
  };

  return {
    limits,
    load: async () => {
      const rows = await deps.store.read({ platform: true }, (tx) => allRows(tx, kind));
      for (const row of rows) keep(row);
      keepTimer();
      await reconcile(() => 0);
    },
    get: (tenantId) => {
      const value = book.get(tenantId) ?? {};
      const state = limits.budget(tenantId);
      if (value.budget === undefined || state === undefined) return value;
      const since = startOf(value.budget.period, deps.clock.nowMs());
      return { ...value, spending: { ...state, currency, since } };
    },
    set: async (tenantId, value, actor, requestId) => {
      const row = await deps.store.tx({ tenantId }, async (tx) => {
        const known = await tx.byName(kind, tenantId, rowName);
        const written =
          known === undefined
            ? await tx.insert({
                kind,
                id: createId('slm', deps.clock.nowMs()),
                tenantId,
                name: rowName,
                state: 'active',
                spec: value,
                status: {},
              })
            : await tx.update(kind, known.id, { expectedVersion: known.version, spec: value });
        await tx.event({
          tenantId,
          kind,
          resourceId: written.id,
          type: 'limits.set',
          actor,
          reason: { ...value },
          requestId,
        });
        return written;
      });
      keep(row);
      if (value.budget === undefined) limits.setBudget(tenantId, undefined);
      keepTimer();
      await flush();
    },
    reconcile,
    [Symbol.asyncDispose]: async () => clearInterval(timer),
  };
}

/** Periods are UTC. */
function startOf(period: 'day' | 'month' | 'total', nowMs: number): string {
  if (period === 'total') return new Date(0).toISOString();
  const now = new Date(nowMs);
  const day = period === 'month' ? 1 : now.getUTCDate();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), day)).toISOString();
}
