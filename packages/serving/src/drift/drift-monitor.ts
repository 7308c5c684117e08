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
  /** With fewer points in a window than this nothing is said of them. */
  readonly leastPoints: number;
}

export const defaultDriftPolicy: DriftPolicy = {
  window: 500,
  falseAlarm: 0.001,
  leastStability: 0.2,
  leastShare: 0.05,
  leastShift: 0.25,
  leastPoints: 80,
};

/** One request: numbers and kinds by name; every one names the same. Points may be of some requests only. */
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
    const [first] = reference;
    const names = [Object.keys(first?.numbers ?? {}), Object.keys(first?.kinds ?? {})] as const;
    const pointNames = [...new Set(current.flatMap(({ points }) => Object.keys(points ?? {})))];
    const features = names[0].length + names[1].length + pointNames.length;
    const threshold = this.#policy.falseAlarm / Math.max(1, features);
    const numbers = names[0].map((feature) => {
      const [was, is] = [reference, current].map((samples) =>
        samples.map(({ numbers: values }) => values[feature] ?? 0),
      ) as [number[], number[]];
      const size = populationStability(was, is);
      const { pValue } = kolmogorovSmirnov(was, is);
      return { feature, pValue, size, isLarge: size >= this.#policy.leastStability };
    });
    const kinds = names[1].map((feature) => {
      const [was, is] = [reference, current].map((samples) => countsOf(samples, feature)) as [Counts, Counts];
      const size = largestMove(was, reference.length, is, current.length);
      return { feature, pValue: chiSquare(was, is).pValue, size, isLarge: size >= this.#policy.leastShare };
    });
    const points = pointNames.flatMap((feature) => {
      const [was, is] = [reference, current].map((samples) =>
        samples.flatMap((sample) => sample.points?.[feature] ?? []),
      ) as [Float32Array[], Float32Array[]];
      if (Math.min(was.length, is.length) < this.#policy.leastPoints) return [];
      const { pValue, statistic, distance } = embeddingShift(was, is);
      return [{ feature, pValue, size: distance, isLarge: statistic >= this.#policy.leastShift }];
    });
    return [...numbers, ...kinds, ...points]
      .filter(({ pValue, isLarge }) => isLarge && pValue < threshold)
      .map(({ feature, pValue, size }) => ({ feature, pValue, size }));
  }
}

type Counts = Record<string, number>;

function countsOf(samples: readonly DriftSample[], feature: string): Counts {
  const counts: Counts = {};
  for (const { kinds } of samples) {
    const kind = kinds[feature] ?? '';
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

function largestMove(was: Counts, before: number, is: Counts, now: number): number {
  const kinds = [...Object.keys(was), ...Object.keys(is)];
  return Math.max(0, ...kinds.map((kind) => Math.abs((was[kind] ?? 0) / before - (is[kind] ?? 0) / now)));
}
