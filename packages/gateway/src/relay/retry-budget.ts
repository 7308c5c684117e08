/**
 * Retries may be at most a share of requests (Finagle's budget): when everything fails, retrying everything
 * would double the load on what is left. A few a second are always allowed, so a quiet endpoint retries too.
 */
export class RetryBudget {
  readonly #share: number;
  readonly #perSecond: number;
  #tokens: number;
  #lastMs: number | undefined;

  constructor(options: { readonly share?: number; readonly perSecond?: number } = {}) {
    this.#share = options.share ?? 0.2;
    this.#perSecond = options.perSecond ?? 10;
    this.#tokens = this.#perSecond;
  }

  noteRequest(): void {
    this.#tokens = Math.min(this.#tokens + this.#share, 1_000);
  }

  take(nowMs: number): boolean {
    const elapsedMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    if (this.#tokens < this.#perSecond) {
      this.#tokens = Math.min(
        this.#perSecond,
        this.#tokens + (Math.max(0, elapsedMs) / 1_000) * this.#perSecond,
      );
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
