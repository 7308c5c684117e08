/**
 * At most `limit` within any `windowMs`, in constant memory: the previous fixed window counts for the share that
 * still overlaps (the sliding-window counter of the field; it errs by a few per cent under uneven arrivals).
 */
export class SlidingWindow {
  readonly limit: number;
  readonly windowMs: number;
  #startMs = 0;
  #current = 0;
  #previous = 0;

  constructor(options: { readonly limit: number; readonly windowMs: number }) {
    this.limit = options.limit;
    this.windowMs = options.windowMs;
  }

  used(nowMs: number): number {
    this.#roll(nowMs);
    const overlap = 1 - Math.min(1, Math.max(0, nowMs - this.#startMs) / this.windowMs);
    return this.#current + this.#previous * overlap;
  }

  /** Takes `amount` and returns 0, or the milliseconds after which it may fit; `undefined` if it never will. */
  take(nowMs: number, amount = 1): number | undefined {
    if (amount > this.limit) return undefined;
    if (this.used(nowMs) + amount <= this.limit) {
      this.#current += amount;
      return 0;
    }
    const intoWindowMs = Math.max(0, nowMs - this.#startMs);
    const excess = this.used(nowMs) + amount - this.limit;
    const drainPerMs = this.#previous / this.windowMs;
    const leftMs = this.windowMs - intoWindowMs;
    if (drainPerMs > 0 && excess / drainPerMs <= leftMs) return Math.max(1, Math.ceil(excess / drainPerMs));
    // Not within this window: the rest must drain out of the next one.
    const rest = this.#current + amount - this.limit;
    const nextMs = this.#current > 0 && rest > 0 ? (rest / this.#current) * this.windowMs : 0;
    return Math.max(1, Math.ceil(leftMs + nextMs));
  }

  /** Corrects an estimate: negative gives back. */
  adjust(nowMs: number, amount: number): void {
    this.#roll(nowMs);
    this.#current = Math.max(0, this.#current + amount);
  }

  #roll(nowMs: number): void {
    const start = Math.floor(nowMs / this.windowMs) * this.windowMs;
    if (start <= this.#startMs) return;
    this.#previous = start - this.#startMs === this.windowMs ? this.#current : 0;
    this.#current = 0;
    this.#startMs = start;
  }
}
