/**
 * Whether what comes in and goes out is still what it was: the first window of requests is the reference, each later
 * window is compared with it.
 */
import { compareWindows, type WindowComparison } from './compare-windows.ts';

export interface DriftPolicy {
  /** Requests of a window. */
  readonly window: number;
  /** Chance of calling one window drifted that is not, all features together. */
  readonly falseAlarm: number;
  /** Smallest stability index that counts. */
  readonly leastStability: number;
  /** Smallest move of a kind's share that counts. */
  readonly leastShare: number;
  /** Smallest distance of two distributions of points, along their direction, that counts; 1 where none overlap. */
  readonly leastShift: number;
  /** A feature that fewer requests of a window have is not spoken of. */
  readonly leastSeen: number;
}

export const defaultDriftPolicy: DriftPolicy = {
  window: 500,
  falseAlarm: 0.001,
  leastStability: 0.2,
  leastShare: 0.05,
  leastShift: 0.25,
  leastSeen: 80,
};

/** One request: numbers, kinds and points by name. What a request lacks is not looked at in it. */
export interface DriftSample {
  readonly numbers: Readonly<Record<string, number>>;
  readonly kinds: Readonly<Record<string, string>>;
  readonly points?: Readonly<Record<string, Float32Array>>;
  /** Some of it was too large to be looked into. */
  readonly isPartlyRead?: boolean;
}

export interface DriftProgress {
  /** Requests of a window. */
  readonly window: number;
  /** Compared so far. */
  readonly windows: number;
  /** Requests of the window that fills now; the first is the reference. */
  readonly filled: number;
}

export class DriftMonitor {
  readonly #policy: DriftPolicy;
  #reference: readonly DriftSample[] | undefined;
  #current: DriftSample[] = [];
  #last: WindowComparison | undefined;
  #windows = 0;

  constructor(policy: DriftPolicy = defaultDriftPolicy) {
    this.#policy = policy;
  }

  /** Of the newest whole window after the reference. */
  get last(): WindowComparison | undefined {
    return this.#last;
  }

  get progress(): DriftProgress {
    const { window } = this.#policy;
    return { window, windows: this.#windows, filled: this.#current.length };
  }

  /** The comparison that this request's window brings, undefined while the window fills. */
  observe(sample: DriftSample): WindowComparison | undefined {
    this.#current.push(sample);
    if (this.#current.length < this.#policy.window) return undefined;
    const window = this.#current;
    this.#current = [];
    if (this.#reference === undefined) {
      this.#reference = window;
      return undefined;
    }
    this.#windows += 1;
    this.#last = compareWindows(this.#reference, window, this.#policy);
    return this.#last;
  }
}
