/**
 * Money or tokens that may be spent, with reservation: a request takes its worst case before it runs and gives
 * the rest back after, so any number of parallel requests cannot overspend together.
 * Invariant: spent + reserved <= limit at every moment, unless `settle` is told a cost above its reservation.
 */
export class Budget {
  #limit: number;
  #spent: number;
  #reserved = 0;

  constructor(options: { readonly limit: number; readonly spent?: number }) {
    this.#limit = options.limit;
    this.#spent = options.spent ?? 0;
  }

  get available(): number {
    return Math.max(0, this.#limit - this.#spent - this.#reserved);
  }

  get spent(): number {
    return this.#spent;
  }

  get reserved(): number {
    return this.#reserved;
  }

  /** A hold on `amount`, or `undefined` when it does not fit. */
  reserve(amount: number): BudgetHold | undefined {
    if (!(amount >= 0) || amount > this.#limit - this.#spent - this.#reserved) return undefined;
    this.#reserved += amount;
    let isOpen = true;
    return {
      settle: (cost) => {
        if (!isOpen) return;
        isOpen = false;
        this.#reserved -= amount;
        this.#spent += Math.max(0, cost);
      },
    };
  }

  /** The ledger's word: what was really spent, as of now, without what is still reserved here. */
  reconcile(state: { readonly limit: number; readonly spent: number }): void {
    this.#limit = state.limit;
    this.#spent = state.spent;
  }
}

export interface BudgetHold {
  /** Ends the hold with the true cost. Only the first call counts. */
  settle(cost: number): void;
}
