/** How different two samples of one number, or of one kind, are. */

export interface SampleTest {
  readonly statistic: number;
  /** Of a difference as large as this between samples of the same origin. */
  readonly pValue: number;
}

/**
 * The largest distance of the two empirical distributions (Kolmogorov-Smirnov), with Stephens' approximation of its
 * probability. Ties make it careful: it then calls fewer samples different than it might.
 */
export function kolmogorovSmirnov(one: readonly number[], other: readonly number[]): SampleTest {
  const [a, b] = [one, other].map((sample) => sample.toSorted((x, y) => x - y)) as [number[], number[]];
  let [i, j, distance] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i] as number, b[j] as number);
    while (i < a.length && (a[i] as number) <= value) i++;
    while (j < b.length && (b[j] as number) <= value) j++;
    distance = Math.max(distance, Math.abs(i / a.length - j / b.length));
  }
  const size = Math.sqrt((a.length * b.length) / (a.length + b.length));
  const lambda = (size + 0.12 + 0.11 / size) * distance;
  let pValue = 0;
  for (let term = 1; term <= 100; term++)
    pValue += 2 * (-1) ** (term - 1) * Math.exp(-2 * term ** 2 * lambda ** 2);
  // The series does not converge near zero, where the answer is one.
  return { statistic: distance, pValue: lambda < 0.2 ? 1 : Math.min(1, Math.max(0, pValue)) };
}

/**
 * Population stability index: how far shares moved between bins that hold a tenth of the reference each. Below 0.1
 * little has changed, above 0.25 much has (the usual reading).
 */
export function populationStability(
  reference: readonly number[],
  current: readonly number[],
  bins = 10,
): number {
  const sorted = reference.toSorted((x, y) => x - y);
  const edges = Array.from(
    { length: bins - 1 },
    (_, bin) => sorted[Math.floor(((bin + 1) * sorted.length) / bins)] as number,
  );
  const shares = (sample: readonly number[]): number[] => {
    const counts = Array<number>(bins).fill(0.5);
    for (const value of sample) {
      const bin = edges.findIndex((edge) => value < edge);
      const at = bin < 0 ? bins - 1 : bin;
      counts[at] = (counts[at] as number) + 1;
    }
    return counts.map((count) => count / (sample.length + bins / 2));
  };
  const [was, is] = [shares(reference), shares(current)];
  return was.reduce((sum, share, bin) => {
    const now = is[bin] as number;
    return sum + (now - share) * Math.log(now / share);
  }, 0);
}

/** Pearson's test that counts of kinds have one origin; the probability by Wilson and Hilferty's approximation. */
export function chiSquare(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): SampleTest {
  const kinds = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  const total = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((sum, count) => sum + count, 0);
  const [a, b] = [total(one), total(other)];
  let statistic = 0;
  for (const kind of kinds) {
    const both = (one[kind] ?? 0) + (other[kind] ?? 0);
    for (const [counts, size] of [
      [one, a],
      [other, b],
    ] as const) {
      const expected = (both * size) / (a + b);
      if (expected > 0) statistic += ((counts[kind] ?? 0) - expected) ** 2 / expected;
    }
  }
  const freedom = kinds.length - 1;
  if (freedom < 1 || a === 0 || b === 0) return { statistic: 0, pValue: 1 };
  const spread = 2 / (9 * freedom);
  const z = ((statistic / freedom) ** (1 / 3) - (1 - spread)) / Math.sqrt(spread);
  return { statistic, pValue: upperNormal(z) };
}

/** P(Z > z), by Abramowitz and Stegun 26.2.17. */
function upperNormal(z: number): number {
  if (z < 0) return 1 - upperNormal(-z);
  const t = 1 / (1 + 0.231_641_9 * z);
  const poly =
    t *
    (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
  return (Math.exp(-(z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly;
}
