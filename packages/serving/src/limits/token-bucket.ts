/**
 * A token bucket: `ratePerSecond` on average, bursts up to `capacity`. Time comes in as an argument; a clock
 * that jumps back adds nothing and takes nothing.
 */
export class TokenBucket {
  readonly ratePerSecond: number;
  readonly capacity: number;
  #level: number;
  #atMs: number | undefined;

  constructor(options: { readonly ratePerSecond: number; readonly capacity: number }) {
    this.ratePerSecond = options.ratePerSecond;
    this.capacity = options.capacity;
    this.#level = options.capacity;
  }

  level(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - (this.#atMs ?? nowMs));
    this.#atMs = Math.max(nowMs, this.#atMs ?? nowMs);
    this.#level = Math.min(this.capacity, this.#level + (elapsedMs / 1_000) * this.ratePerSecond);
    return this.#level;
  }

  /**
   * Takes `amount`, or says how long until it could. More than the capacity is never possible: `undefined`.
   * Returns 0 when taken.
   */
  take(nowMs: number, amount = 1): number | undefined {
    const level = this.level(nowMs);
    if (level >= amount) {
      this.#level -= amount;
      return 0;
    }
    if (amount > this.capacity || this.ratePerSecond <= 0) return undefined;
    return Math.ceil(((amount - level) / this.ratePerSecond) * 1_000);
  }

  /** Corrects an estimate afterwards: negative gives back. May go into debt, which later requests wait out. */
  adjust(amount: number): void {
    this.#level = Math.min(this.capacity, this.#level - amount);
  }
}
