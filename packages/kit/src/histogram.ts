export interface HistogramCounts {
  readonly upperBounds: readonly number[];
  /** By bucket; the last is of what lies beyond every bound. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** Counts in fixed buckets; `upperBounds` are inclusive and ascending, as Prometheus has them. */
export class Histogram implements HistogramCounts {
  readonly upperBounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(upperBounds: readonly number[]) {
    this.upperBounds = upperBounds;
    this.counts = Array.from({ length: upperBounds.length + 1 }, () => 0);
  }

  record(value: number): void {
    let bucket = 0;
    while (bucket < this.upperBounds.length && value > (this.upperBounds[bucket] ?? 0)) bucket++;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
    this.count++;
  }

  /**
   * The quantile as far as buckets tell it: values are taken to lie evenly between the bounds of theirs, as Prometheus
   * does it. The last finite bound when it lies beyond; `undefined` when empty.
   */
  quantile(fraction: number): number | undefined {
    if (this.count === 0) return undefined;
    const rank = fraction * this.count;
    let seen = 0;
    for (let bucket = 0; bucket < this.upperBounds.length; bucket++) {
      const inside = this.counts[bucket] ?? 0;
      if (inside > 0 && seen + inside >= rank) {
        const lower = bucket === 0 ? 0 : (this.upperBounds[bucket - 1] ?? 0);
        const upper = this.upperBounds[bucket] ?? 0;
        return lower + ((upper - lower) * (rank - seen)) / inside;
      }
      seen += inside;
    }
    return this.upperBounds.at(-1);
  }
}
