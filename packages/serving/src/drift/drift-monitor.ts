/**
 * Whether what comes in and goes out is still what it was: the first window of requests is the reference, each later
 * window is compared with it, a number at a time by Kolmogorov-Smirnov and the stability index, kinds by chi-square,
 * points (embeddings) by how far they moved along the direction in which they moved most.
 * Both must speak: a tiny change is certain in a large window, and a large one happens by chance in a small one.
 */
import { embeddingShift } from './embedding-shift.ts';
import { chiSquare, kolmogorovSmirnov, populationStability } from './two-samples.ts';

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
}

export interface DriftFinding {
  readonly feature: string;
  readonly pValue: number;
  /** Stability index of a number; largest move of a share of a kind; distance of the centroids of points. */
  readonly size: number;
}

export class DriftMonitor {
  readonly #policy: DriftPolicy;
  #reference: readonly DriftSample[] | undefined;
  #current: DriftSample[] = [];

  constructor(policy: DriftPolicy = defaultDriftPolicy) {
    this.#policy = policy;
  }

  /** What drifted in the window that this request completes, empty for nothing; undefined while one fills. */
  observe(sample: DriftSample): readonly DriftFinding[] | undefined {
    this.#current.push(sample);
    if (this.#current.length < this.#policy.window) return undefined;
    const window = this.#current;
    this.#current = [];
    if (this.#reference === undefined) {
      this.#reference = window;
      return undefined;
    }
    return this.#compare(this.#reference, window);
  }

  #compare(reference: readonly DriftSample[], current: readonly DriftSample[]): readonly DriftFinding[] {
    const { falseAlarm, leastSeen, leastStability, leastShare, leastShift } = this.#policy;
    const findings: (DriftFinding & { readonly isLarge: boolean })[] = [];
    for (const [feature, was, is] of pairs(reference, current, ({ numbers }) => numbers, leastSeen)) {
      const size = populationStability(was, is);
      const { pValue } = kolmogorovSmirnov(was, is);
      findings.push({ feature, pValue, size, isLarge: size >= leastStability });
    }
    for (const [feature, was, is] of pairs(reference, current, ({ kinds }) => kinds, leastSeen)) {
      const [before, now] = countsOf(was, is);
      const size = largestMove(before, was.length, now, is.length);
      findings.push({ feature, pValue: chiSquare(before, now).pValue, size, isLarge: size >= leastShare });
    }
    for (const [feature, was, is] of pairs(reference, current, ({ points }) => points ?? {}, leastSeen)) {
      const { pValue, statistic, distance } = embeddingShift(was, is);
      findings.push({ feature, pValue, size: distance, isLarge: statistic >= leastShift });
    }
    const threshold = falseAlarm / Math.max(1, findings.length);
    return findings
      .filter(({ pValue, isLarge }) => isLarge && pValue < threshold)
      .map(({ feature, pValue, size }) => ({ feature, pValue, size }));
  }
}

/** Of each feature that enough requests of both windows have: its values in the one and in the other. */
function* pairs<T>(
  reference: readonly DriftSample[],
  current: readonly DriftSample[],
  of: (sample: DriftSample) => Readonly<Record<string, T>>,
  least: number,
): Generator<readonly [string, readonly T[], readonly T[]]> {
  const [was, is] = [reference, current].map((samples) => {
    const columns = new Map<string, T[]>();
    for (const sample of samples)
      for (const [feature, value] of Object.entries(of(sample))) {
        const column = columns.get(feature);
        if (column === undefined) columns.set(feature, [value]);
        else column.push(value);
      }
    return columns;
  }) as [Map<string, T[]>, Map<string, T[]>];
  for (const [feature, before] of was) {
    const now = is.get(feature) ?? [];
    if (Math.min(before.length, now.length) >= least) yield [feature, before, now];
  }
}

type Counts = Record<string, number>;

/** Kinds that both windows together saw fewer times are one: the test needs so many of each (Cochran's rule). */
const leastOfKind = 10;

function countsOf(was: readonly string[], is: readonly string[]): readonly [Counts, Counts] {
  const totals = new Map<string, number>();
  for (const kind of [...was, ...is]) totals.set(kind, (totals.get(kind) ?? 0) + 1);
  return [was, is].map((kinds) => {
    const counts: Counts = {};
    for (const kind of kinds) {
      const name = (totals.get(kind) ?? 0) < leastOfKind ? 'rare' : `=${kind}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }) as [Counts, Counts];
}

function largestMove(was: Counts, before: number, is: Counts, now: number): number {
  const kinds = [...Object.keys(was), ...Object.keys(is)];
  return Math.max(0, ...kinds.map((kind) => Math.abs((was[kind] ?? 0) / before - (is[kind] ?? 0) / now)));
}
