/** What keys, tenants and endpoints have used of their limits lately. Who asked for nothing for a minute is forgotten. */
import { SlidingWindow, TokenBucket } from '@gantry/serving';
import type { RouteLimits } from '../routes/route.ts';

const minuteMs = 60_000;
/** Below this there is nothing worth forgetting. */
const fewMeters = 10_000;

export class LimitMeter {
  readonly limits: RouteLimits;
  readonly requests: SlidingWindow | undefined;
  readonly tokens: TokenBucket | undefined;
  inFlight = 0;
  usedMs = 0;

  constructor(limits: RouteLimits) {
    this.limits = limits;
    const { requestsPerMinute, tokensPerMinute } = limits;
    this.requests =
      requestsPerMinute === undefined
        ? undefined
        : new SlidingWindow({ limit: requestsPerMinute, windowMs: minuteMs });
    this.tokens =
      tokensPerMinute === undefined
        ? undefined
        : new TokenBucket({ ratePerSecond: tokensPerMinute / 60, capacity: tokensPerMinute });
  }
}

export class MeterBook {
  readonly #meters = new Map<string, LimitMeter>();
  #sweepAt = fewMeters;

  get size(): number {
    return this.#meters.size;
  }

  /** A limit that changed is counted anew. */
  of(key: string, limits: RouteLimits, nowMs: number): LimitMeter {
    let found = this.#meters.get(key);
    if (found === undefined || !areEqual(found.limits, limits)) {
      if (found === undefined && this.#meters.size >= this.#sweepAt) this.#sweep(nowMs);
      found = new LimitMeter(limits);
      this.#meters.set(key, found);
    }
    found.usedMs = nowMs;
    return found;
  }

  clear(): void {
    this.#meters.clear();
  }

  /** After two minutes of rest a meter holds nothing that a new one does not; a window looks back over one and a part. */
  #sweep(nowMs: number): void {
    for (const [key, { inFlight, usedMs }] of this.#meters)
      if (inFlight === 0 && nowMs - usedMs > 2 * minuteMs) this.#meters.delete(key);
    this.#sweepAt = Math.max(fewMeters, 2 * this.#meters.size);
  }
}

function areEqual(a: RouteLimits, b: RouteLimits): boolean {
  return (
    a.requestsPerMinute === b.requestsPerMinute &&
    a.tokensPerMinute === b.tokensPerMinute &&
    a.concurrentRequests === b.concurrentRequests
  );
}
