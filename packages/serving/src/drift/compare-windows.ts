/**
 * One window of requests against the reference, feature by feature: a number by Kolmogorov-Smirnov and the stability
 * index, a kind by chi-square, a point by how far it moved along the direction in which it moved most. A feature has
 * drifted where both certainty and size say so: a tiny change is certain in a large window, and a large one happens
 * by chance in a small one.
 */
import type { DriftPolicy, DriftSample } from './drift-monitor.ts';
import { embeddingShift } from './embedding-shift.ts';
import { chiSquare, kolmogorovSmirnov, populationStability } from './two-samples.ts';

/**
 * `psi` and `ks` of a number, `chiSquare` and `shareMoved` (the largest move of a kind's share) of a kind,
 * `embeddingShift` (KS along the direction of the move) and `embeddingDistance` (1 − cosine of the centroids) of a point.
 */
export type DriftFigure = 'psi' | 'ks' | 'chiSquare' | 'shareMoved' | 'embeddingShift' | 'embeddingDistance';

export interface FeatureDrift {
  readonly feature: string;
  readonly figures: Readonly<Partial<Record<DriftFigure, number>>>;
  /** Of a difference as large as this between windows of the same origin. */
  readonly pValue: number;
  /** The figure that must reach a size, and that size. */
  readonly decidedBy: DriftFigure;
  readonly threshold: number;
  readonly hasDrifted: boolean;
}

export interface WindowComparison {
  /** A feature must be as unlikely: the allowed false alarms, shared among those that were compared. */
  readonly pThreshold: number;
  readonly features: readonly FeatureDrift[];
}

export function compareWindows(
  reference: readonly DriftSample[],
  current: readonly DriftSample[],
  policy: DriftPolicy,
): WindowComparison {
  const { falseAlarm, leastSeen, leastStability, leastShare, leastShift } = policy;
  const features: Omit<FeatureDrift, 'hasDrifted'>[] = [];
  for (const [feature, was, is] of pairs(reference, current, ({ numbers }) => numbers, leastSeen)) {
    const { pValue, statistic: ks } = kolmogorovSmirnov(was, is);
    const figures = { psi: populationStability(was, is), ks };
    features.push({ feature, figures, pValue, decidedBy: 'psi', threshold: leastStability });
  }
  for (const [feature, was, is] of pairs(reference, current, ({ kinds }) => kinds, leastSeen)) {
    const [before, now] = countsOf(was, is);
    const { pValue, statistic } = chiSquare(before, now);
    const shareMoved = largestMove(before, was.length, now, is.length);
    const figures = { chiSquare: statistic, shareMoved };
    features.push({ feature, figures, pValue, decidedBy: 'shareMoved', threshold: leastShare });
  }
  for (const [feature, was, is] of pairs(reference, current, ({ points }) => points ?? {}, leastSeen)) {
    const { pValue, statistic, distance } = embeddingShift(was, is);
    const figures = { embeddingShift: statistic, embeddingDistance: distance };
    features.push({ feature, figures, pValue, decidedBy: 'embeddingShift', threshold: leastShift });
  }
  const pThreshold = falseAlarm / Math.max(1, features.length);
  return {
    pThreshold,
    features: features.map((each) => ({
      ...each,
      hasDrifted: each.pValue < pThreshold && (each.figures[each.decidedBy] ?? 0) >= each.threshold,
    })),
  };
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
