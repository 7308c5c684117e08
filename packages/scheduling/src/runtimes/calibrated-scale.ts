/**
 * By how much guesses must be stretched so that a stated part of what really happens stays below them.
 * The last misses are kept; when too many (or too few) truths lay above, a higher (lower) one of them
 * is taken (adaptive conformal inference, Gibbs & Candès, NeurIPS'21, eq. 2). So the stated part holds
 * in the long run whatever the guesses are worth; bad guesses only make it wide.
 */
export class CalibratedScale {
  /** The part of the truths that should stay below. */
  readonly target: number;
  /** Truth over guess, newest last. */
  readonly #ratios: number[] = [];
  #level: number;
  #seen = 0;
  #covered = 0;

  constructor(target: number) {
    this.target = target;
    this.#level = target;
  }

  /** 1 until there is something to learn from. */
  scale(): number {
    if (this.#ratios.length < LEAST) return Math.max(1, ...this.#ratios);
    const sorted = Float64Array.from(this.#ratios).sort();
    const at = Math.ceil(Math.min(1, this.#level) * sorted.length) - 1;
    return sorted[Math.max(0, at)]! * Math.exp(BEYOND * Math.max(0, this.#level - 1));
  }

  /** `scaled` is what was told then; null when nothing was. */
  observe(guess: number, truth: number, scaled: number | null): void {
    this.#ratios.push(truth / Math.max(guess, 1e-9));
    if (this.#ratios.length > KEPT) this.#ratios.shift();
    if (scaled === null) return;
    const isCovered = truth <= scaled + 1e-9;
    this.#seen++;
    if (isCovered) this.#covered++;
    this.#level += STEP * (this.target - (isCovered ? 1 : 0));
    this.#level = Math.min(HIGHEST, Math.max(0.05, this.#level));
  }

  /** How often it held, of how many; null before the first. */
  get coverage(): { part: number; of: number } | null {
    return this.#seen === 0 ? null : { part: this.#covered / this.#seen, of: this.#seen };
  }
}

const KEPT = 200;
/** Below this the largest miss so far is taken. */
const LEAST = 10;
const STEP = 0.02;
/** Above 1 the largest miss is stretched: where waits grow without end, none seen so far is large enough. */
const BEYOND = 5;
const HIGHEST = 1.5;
