/** Median and 99th percentile of the last 1,024 observations, in the unit they were given. */
export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}

export interface RecentQuantiles {
  record(value: number): void;
  /** `count` is of all observations; the quantiles are zero before the first. */
  summary(): Quantiles;
}

const kept = 1_024;

export function createRecentQuantiles(): RecentQuantiles {
  const values = new Float64Array(kept);
  let count = 0;
  return {
    record: (value) => {
      values[count % kept] = value;
      count += 1;
    },
    summary: () => {
      const sorted = values.slice(0, Math.min(count, kept)).sort();
      const at = (share: number): number =>
        sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
      return { count, p50: at(0.5), p99: at(0.99) };
    },
  };
}
