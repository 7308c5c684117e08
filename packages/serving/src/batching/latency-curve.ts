/**
 * What a batch of n rows costs, learned from what ran: a line per octave of sizes is not needed, the mean a size
 * is enough. A larger batch pays while it makes rows cheaper; where a batch of twice the rows takes twice as long,
 * growing it only makes everybody wait.
 */
export class LatencyCurve {
  readonly #mean = new Map<number, { ms: number; samples: number }>();
  readonly #minGain: number;

  /** `minGain`: how much more throughput (share) a doubling must bring to be worth the wait. */
  constructor(options: { readonly minGain?: number } = {}) {
    this.#minGain = options.minGain ?? 0.1;
  }

  observe(rows: number, ms: number): void {
    const size = Math.max(1, Math.floor(rows));
    const known = this.#mean.get(size);
    if (known === undefined) this.#mean.set(size, { ms, samples: 1 });
    else {
      known.samples++;
      // Follows a drift (another tenant of the machine) within some twenty batches.
      known.ms += (ms - known.ms) / Math.min(known.samples, 20);
    }
  }

  /** Expected milliseconds: between measured sizes a straight line, beyond them the last slope. */
  expectedMs(rows: number): number | undefined {
    const points = [...this.#mean].map(([size, { ms }]) => ({ size, ms })).sort((a, b) => a.size - b.size);
    const above = points.findIndex(({ size }) => size >= rows);
    const right = above < 0 ? points.at(-1) : points[above];
    const left = above < 0 ? points.at(-2) : points[above - 1];
    if (right === undefined) return undefined;
    if (left === undefined || right.size === rows) return right.ms * (above < 0 ? rows / right.size : 1);
    return Math.max(0, left.ms + ((right.ms - left.ms) * (rows - left.size)) / (right.size - left.size));
  }

  /**
   * The size to batch up to: double while a measured doubling still gains, and try one unmeasured size beyond,
   * or nothing would ever be learned.
   */
  bestSize(maxRows: number): number {
    let size = 1;
    while (size < maxRows) {
      const next = Math.min(maxRows, size * 2);
      const here = this.#mean.get(size);
      const there = this.#mean.get(next);
      if (here === undefined) return size;
      if (there === undefined) return next;
      const gain = next / there.ms / (size / here.ms) - 1;
      const wanted = this.#minGain * (next / size - 1);
      if (gain < wanted) return size;
      size = next;
    }
    return size;
  }
}
