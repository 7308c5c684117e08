/** A request that waits until something can answer it: the routes change, an ejected replica's time is over, or its own. */
import type { GatewayContext } from '../gateway-context.ts';
import type { LoadMeter } from '../metering/load-meter.ts';
import type { Problem } from '../http/problem.ts';
import type { LiveRoute } from '../routes/route-table.ts';

export class Hold {
  readonly #context: GatewayContext;
  readonly #load: LoadMeter;
  #deadlineMs: number | undefined;
  #stop: (() => void) | undefined;

  constructor(context: GatewayContext, load: LoadMeter) {
    this.#context = context;
    this.#load = load;
  }

  /** Why it may not wait, or wait any longer. */
  refusal({ route }: LiveRoute): Problem | undefined {
    const { stats, options } = this.#context;
    if (stats.holding >= options.maxHolding) return { code: 'overloaded', retryAfterMs: 1_000 };
    if (route.holds === false) return { code: 'endpoint_stopped', retryAfterMs: 60_000 };
    return this.#leftMs() <= 0 ? { code: 'no_ready_replica', retryAfterMs: 1_000 } : undefined;
  }

  /** Counts as waiting until the routes change or the time is over, then resumes; or until `end`. */
  wait(atMostMs: number | undefined, resume: () => void): void {
    const { stats, table } = this.#context;
    stats.holding++;
    this.#load.holding++;
    this.#stop = () => {
      this.#stop = undefined;
      stats.holding--;
      this.#load.holding--;
      clearTimeout(timer);
      off();
    };
    const go = (): void => {
      this.#stop?.();
      resume();
    };
    const off = table.onChange(go);
    const timer = setTimeout(go, Math.min(this.#leftMs(), atMostMs ?? Infinity));
  }

  end(): void {
    this.#stop?.();
  }

  /** Of all its waits together, counted from the first. */
  #leftMs(): number {
    const now = this.#context.now();
    this.#deadlineMs ??= now + this.#context.options.holdMs;
    return this.#deadlineMs - now;
  }
}
