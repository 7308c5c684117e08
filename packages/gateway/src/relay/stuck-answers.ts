/**
 * Gives up answers that go on arriving and get nowhere: bytes that never become a frame, a body that trickles. The
 * sockets' own timeouts see only silence. One look at all of them now and then costs a request nothing.
 */
import type { Exchange } from './exchange.ts';

export interface StuckLimits {
  /** Between two whole frames of a stream. */
  readonly idleTimeoutMs: number;
  /** From the head of an answer that does not stream to its end. */
  readonly firstByteTimeoutMs: number;
}

export class StuckAnswers implements Disposable {
  readonly #exchanges: ReadonlySet<Exchange>;
  readonly #limits: StuckLimits;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;

  constructor(exchanges: ReadonlySet<Exchange>, limits: StuckLimits, now: () => number) {
    this.#exchanges = exchanges;
    this.#limits = limits;
    this.#now = now;
    const periodMs = Math.min(1_000, limits.idleTimeoutMs / 4, limits.firstByteTimeoutMs / 4);
    this.#timer = setInterval(() => this.#look(), periodMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = this.#now();
    const { idleTimeoutMs, firstByteTimeoutMs } = this.#limits;
    for (const exchange of this.#exchanges) {
      const { silentSinceMs, isStream } = exchange.progress;
      if (silentSinceMs === undefined) continue;
      if (now - silentSinceMs > (isStream ? idleTimeoutMs : firstByteTimeoutMs))
        exchange.end('upstream_timeout');
    }
  }
}
