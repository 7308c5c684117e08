import type { Problem } from '../http/problem.ts';
import type { Principal, Route } from '../routes/route.ts';
import type { Usage } from '../metering/usage.ts';

/** What a request will cost at most, as far as is known before it runs. */
export interface Estimate {
  /** A guess. */
  readonly promptTokens: number;
  /** No prompt has more tokens than bytes: the bound that a budget reserves. */
  readonly promptBytes: number;
  /** As the client limited it, for all its choices together; absent: as much as the model likes. */
  readonly maxCompletionTokens: number | undefined;
}

/** Held while the request runs; settled exactly once with what it really took. */
export interface Admission {
  settle(usage: Usage): void;
}

/**
 * Says yes and reserves, or says no with a reason. Synchronous on purpose: limits live in memory and are
 * reconciled with the ledger behind the hot path.
 */
export interface Limits {
  admit(
    principal: Principal,
    route: Route,
    estimate: Estimate,
  ): { readonly admission: Admission } | { readonly problem: Problem };
}

const nothing: Admission = { settle: () => undefined };

export const unlimited: Limits = { admit: () => ({ admission: nothing }) };
