/** Ends a training whose held-out loss has not fallen for some looks. */
export interface EarlyStoppingOptions {
  /** Looks without a better one before it is enough. */
  readonly patience: number;
  /** A fall of this or less is none. */
  readonly minimumDelta: number;
}

export class EarlyStopping {
  readonly #options: EarlyStoppingOptions;
  #best = Number.POSITIVE_INFINITY;
  #without = 0;

  constructor(options: EarlyStoppingOptions) {
    this.#options = options;
  }

  /** Whether it is enough after this look. */
  isEnough(loss: number): boolean {
    const { patience, minimumDelta } = this.#options;
    if (loss < this.#best - minimumDelta) {
      this.#best = loss;
      this.#without = 0;
      return false;
    }
    this.#without += 1;
    return this.#without >= patience;
  }
}
