/**
 * How long a workload will run, from how long its like ran. Its like is looked for from the most
 * specific key (same user, name, command and size) to the widest; where nobody is alike, what part
 * of their limits others used tells how much of this limit counts. What people say is only ever used
 * through what came of it, so saying little does not pay.
 */
import { CalibratedScale } from './calibrated-scale.ts';

export interface RuntimeAsk {
  /** From the most to the least specific. */
  readonly keys: readonly string[];
  readonly limitSeconds?: number;
}

export interface RuntimeGuess {
  readonly p50Seconds: number;
  readonly p90Seconds: number;
  /** How many runs it rests on; 0 = only on the limit. */
  readonly samples: number;
}

export interface Calibration {
  readonly target: number;
  readonly part: number;
  readonly of: number;
}

/** Of each key, so many runs are remembered. */
const KEPT_RUNS = 32;
const KEPT_KEYS = 20_000;
/** So many runs make a key worth following. */
const ENOUGH = 3;
/** Nine of ten can be told from so many. */
const ENOUGH_STRANGERS = 20;

export class RuntimeModel {
  /** Least recently used first. */
  readonly #runs = new Map<string, number[]>();
  readonly #limitParts: number[] = [];
  readonly #p50 = new CalibratedScale(0.5);
  readonly #p90 = new CalibratedScale(0.9);

  /** null where neither history nor a limit says anything. */
  guess(ask: RuntimeAsk): RuntimeGuess | null {
    const raw = this.#raw(ask);
    if (raw === null) return null;
    const most = ask.limitSeconds ?? Infinity;
    const p50Seconds = Math.min(most, raw.seconds * this.#p50.scale());
    return {
      p50Seconds,
      p90Seconds: Math.min(most, Math.max(p50Seconds, this.#mostSeconds(raw, ask))),
      samples: raw.samples,
    };
  }

  /**
   * Of a kind that was seen: its median, stretched so that it holds. Of strangers only what part of
   * their limits nine of ten used: a median of all sorts of work, stretched, would promise too much.
   */
  #mostSeconds(raw: { seconds: number; samples: number }, { limitSeconds }: RuntimeAsk): number {
    if (raw.samples > 0 || limitSeconds === undefined) return raw.seconds * this.#p90.scale();
    if (this.#limitParts.length < ENOUGH_STRANGERS) return limitSeconds;
    const sorted = Float64Array.from(this.#limitParts).sort();
    return limitSeconds * sorted[Math.min(sorted.length - 1, Math.ceil(0.9 * sorted.length))]!;
  }

  /** A run came to its own end; those that were stopped from outside say nothing. */
  observe(ask: RuntimeAsk, seconds: number): void {
    const raw = this.#raw(ask);
    const told = this.guess(ask);
    if (raw !== null && raw.samples > 0) {
      this.#p50.observe(raw.seconds, seconds, told?.p50Seconds ?? null);
      this.#p90.observe(raw.seconds, seconds, told?.p90Seconds ?? null);
    }
    for (const key of ask.keys) {
      const runs = this.#runs.get(key) ?? [];
      this.#runs.delete(key);
      runs.push(seconds);
      if (runs.length > KEPT_RUNS) runs.shift();
      this.#runs.set(key, runs);
    }
    for (const key of this.#runs.keys()) {
      if (this.#runs.size <= KEPT_KEYS) break;
      this.#runs.delete(key);
    }
    if (ask.limitSeconds !== undefined) {
      this.#limitParts.push(seconds / ask.limitSeconds);
      if (this.#limitParts.length > 500) this.#limitParts.shift();
    }
  }

  /** How often guesses held so far. */
  get calibration(): { p50: Calibration | null; p90: Calibration | null } {
    const of = (scale: CalibratedScale): Calibration | null =>
      scale.coverage === null ? null : { target: scale.target, ...scale.coverage };
    return { p50: of(this.#p50), p90: of(this.#p90) };
  }

  #raw({ keys, limitSeconds }: RuntimeAsk): { seconds: number; samples: number } | null {
    for (const key of keys) {
      const runs = this.#runs.get(key);
      if (runs !== undefined && runs.length >= ENOUGH) return { seconds: median(runs), samples: runs.length };
    }
    if (limitSeconds === undefined) return null;
    return {
      seconds: limitSeconds * (this.#limitParts.length < ENOUGH ? 1 : median(this.#limitParts)),
      samples: 0,
    };
  }
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[sorted.length >> 1]!;
}
