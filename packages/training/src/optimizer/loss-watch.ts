/** Tells a batch that would do harm from a good one, before its update is made. */

export interface LossWatchRules {
  /** Undefined: only what is no number is bad. */
  readonly spikeFactor?: number | undefined;
}

export type LossVerdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'not a number'; readonly of: 'loss' | 'gradient' }
  | { readonly kind: 'spike'; readonly loss: number; readonly median: number };

/** The median of this many good steps is what a loss is held against; of fewer than `enough` nothing is said. */
const window = 32;
const enough = 8;

export class LossWatch {
  readonly #rules: LossWatchRules;
  readonly #recent: number[] = [];

  constructor(rules: LossWatchRules) {
    this.#rules = rules;
  }

  judge(loss: number, gradientNorm: number): LossVerdict {
    if (!Number.isFinite(loss)) return { kind: 'not a number', of: 'loss' };
    if (!Number.isFinite(gradientNorm)) return { kind: 'not a number', of: 'gradient' };
    const { spikeFactor } = this.#rules;
    if (spikeFactor !== undefined && this.#recent.length >= enough) {
      const median = this.#recent.toSorted((one, other) => one - other)[this.#recent.length >> 1] as number;
      if (loss > spikeFactor * median) return { kind: 'spike', loss, median };
    }
    this.#recent.push(loss);
    if (this.#recent.length > window) this.#recent.shift();
    return { kind: 'good' };
  }
}
