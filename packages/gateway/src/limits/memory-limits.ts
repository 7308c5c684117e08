/**
 * Limits held in this process: requests and tokens a minute and requests at once, for a key, its tenant and the
 * tenant's use of one endpoint; and the tenant's budget. All of them say yes, or nothing is taken.
 */
import { countOf } from '@gantry/kit';
import { Budget, type BudgetHold } from '@gantry/serving';
import type { Admission, Estimate, Limits } from './limits.ts';
import { type LimitMeter, MeterBook } from './meter-book.ts';
import type { Problem } from '../http/problem.ts';
import type { Principal, Route, RouteLimits } from '../routes/route.ts';
import type { Usage } from '../metering/usage.ts';

export interface MemoryLimitsOptions {
  /** Limits of a whole tenant and of one key; absent: none. Asked at the first request, and again after `forget`. */
  readonly tenantLimits?: (tenantId: string) => RouteLimits | undefined;
  readonly keyLimits?: (principal: Principal) => RouteLimits | undefined;
  /** What usage of a route costs, in the budget's unit. Absent: one token, one unit. */
  readonly price?: (route: Route, usage: Usage) => number;
  /** Reserved for a request that names no maximum. Should be the model's context. */
  readonly assumedCompletionTokens?: number;
  readonly now?: () => number;
}

export interface MemoryLimits extends Limits {
  /** The ledger's word on a tenant: how much it may spend and has spent. `undefined` lifts the budget. */
  setBudget(tenantId: string, state: { readonly limit: number; readonly spent: number } | undefined): void;
  budget(
    tenantId: string,
  ): { readonly available: number; readonly reserved: number; readonly spent: number } | undefined;
  /** Forgets the counters of limits that changed; they are asked for anew. */
  forget(): void;
}

export function createMemoryLimits(options: MemoryLimitsOptions = {}): MemoryLimits {
  const now = options.now ?? (() => performance.now());
  const price = options.price ?? ((_route, usage) => usage.promptTokens + usage.completionTokens);
  const assumed = options.assumedCompletionTokens ?? 4_096;
  const meters = new MeterBook();
  const budgets = new Map<string, Budget>();

  const meterFor = (key: string, limits: RouteLimits | undefined, nowMs: number): LimitMeter | undefined =>
    limits === undefined ? undefined : meters.of(key, limits, nowMs);

  const scopes = (principal: Principal, route: Route, nowMs: number): readonly (LimitMeter | undefined)[] => {
    const { tenantId, principalId, keyId } = principal;
    return [
      options.keyLimits && meterFor(`key ${keyId ?? principalId}`, options.keyLimits(principal), nowMs),
      options.tenantLimits && meterFor(`tenant ${tenantId}`, options.tenantLimits(tenantId), nowMs),
      meterFor(`route ${tenantId} ${route.endpointId}`, route.limits, nowMs),
    ];
  };

  return {
    admit: (principal, route, estimate) => {
      const nowMs = now();
      const wanted = estimate.promptTokens + (estimate.maxCompletionTokens ?? 0);
      const taken: (() => void)[] = [];
      const refuse = (problem: Problem) => {
        for (const giveBack of taken) giveBack();
        return { problem };
      };
      const open: LimitMeter[] = [];
      for (const scope of scopes(principal, route, nowMs)) {
        if (scope === undefined) continue;
        const problem = takeFrom(scope, wanted, nowMs, taken);
        if (problem !== undefined) return refuse(problem);
        open.push(scope);
      }
      const hold = reserve(budgets.get(principal.tenantId), price, route, estimate, assumed);
      if (hold === 'spent') return refuse({ code: 'insufficient_quota' });
      return { admission: admissionOf(open, wanted, hold, (usage) => price(route, usage)) };
    },
    setBudget: (tenantId, state) => {
      const budget = budgets.get(tenantId);
      if (state === undefined) budgets.delete(tenantId);
      else if (budget === undefined) budgets.set(tenantId, new Budget(state));
      else budget.reconcile(state);
    },
    budget: (tenantId) => {
      const budget = budgets.get(tenantId);
      return budget && { available: budget.available, reserved: budget.reserved, spent: budget.spent };
    },
    forget: () => {
      meters.clear();
    },
  };
}

function takeFrom(
  scope: LimitMeter,
  tokens: number,
  nowMs: number,
  taken: (() => void)[],
): Problem | undefined {
  const { concurrentRequests } = scope.limits;
  if (concurrentRequests !== undefined && scope.inFlight >= concurrentRequests) {
    return {
      code: 'rate_limit_exceeded',
      detail: `At most ${countOf(concurrentRequests, 'request')} at once.`,
      retryAfterMs: 1_000,
    };
  }
  const requestWaitMs = scope.requests?.take(nowMs) ?? 0;
  if (requestWaitMs > 0) {
    return {
      code: 'rate_limit_exceeded',
      detail: `At most ${countOf(scope.requests?.limit ?? 0, 'request')} a minute.`,
      retryAfterMs: requestWaitMs,
    };
  }
  taken.push(() => scope.requests?.adjust(nowMs, -1));
  if (scope.tokens !== undefined) {
    // A request larger than the whole allowance would never fit: it takes all there is and leaves a debt.
    const waitMs = scope.tokens.take(nowMs, Math.min(tokens, scope.tokens.capacity)) ?? 0;
    if (waitMs > 0) {
      return {
        code: 'rate_limit_exceeded',
        detail: `At most ${countOf(scope.tokens.capacity, 'token')} a minute.`,
        retryAfterMs: waitMs,
      };
    }
    taken.push(() => scope.tokens?.adjust(-Math.min(tokens, scope.tokens.capacity)));
  }
  scope.inFlight++;
  taken.push(() => scope.inFlight--);
  return undefined;
}

function reserve(
  budget: Budget | undefined,
  price: (route: Route, usage: Usage) => number,
  route: Route,
  estimate: Estimate,
  assumed: number,
): BudgetHold | 'spent' | undefined {
  if (budget === undefined) return undefined;
  // Bounds, not guesses: no token is shorter than a byte, and nothing generates beyond the maximum.
  const worst = price(route, {
    promptTokens: estimate.promptBytes,
    completionTokens: estimate.maxCompletionTokens ?? assumed,
    cachedTokens: 0,
  });
  return budget.reserve(worst) ?? 'spent';
}

function admissionOf(
  open: readonly LimitMeter[],
  reserved: number,
  hold: BudgetHold | undefined,
  cost: (usage: Usage) => number,
): Admission {
  let isOpen = true;
  return {
    settle: (usage) => {
      if (!isOpen) return;
      isOpen = false;
      const used = usage.promptTokens + usage.completionTokens;
      for (const scope of open) {
        scope.inFlight--;
        scope.tokens?.adjust(used - Math.min(reserved, scope.tokens.capacity));
      }
      hold?.settle(cost(usage));
    },
  };
}
