/**
 * Whether points of many dimensions moved: half of each sample says in which direction the two differ most, the other
 * half is looked at along it (a classifier two-sample test, Lopez-Paz & Oquab 2017, with the simplest classifier).
 * The half that is looked at chose nothing, so the probability holds whatever the dimensions.
 */
import { kolmogorovSmirnov, type SampleTest } from './two-samples.ts';

export interface EmbeddingShift extends SampleTest {
  /** 1 − cosine of the two centroids. */
  readonly distance: number;
}

/** Points of one length each; every other one chooses the direction. */
export function embeddingShift(
  reference: readonly Float32Array[],
  current: readonly Float32Array[],
): EmbeddingShift {
  const [was, is] = [centroid(everyOther(reference, 0)), centroid(everyOther(current, 0))];
  const direction = is.map((value, at) => value - (was[at] ?? 0));
  const along = (points: readonly Float32Array[]): number[] =>
    everyOther(points, 1).map((point) => dot(point, direction));
  return {
    ...kolmogorovSmirnov(along(reference), along(current)),
    distance: cosineDistance(centroid(reference), centroid(current)),
  };
}

const everyOther = (points: readonly Float32Array[], from: 0 | 1): readonly Float32Array[] =>
  points.filter((_, at) => at % 2 === from);

function centroid(points: readonly Float32Array[]): Float64Array {
  const mean = new Float64Array(points[0]?.length ?? 0);
  for (const point of points)
    for (const [at, value] of point.entries()) mean[at] = (mean[at] as number) + value / points.length;
  return mean;
}

function dot(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += (one[at] as number) * (other[at] as number);
  return sum;
}

function cosineDistance(one: Float64Array, other: Float64Array): number {
  const lengths = Math.sqrt(dot(one, one) * dot(other, other));
  return lengths === 0 ? 0 : 1 - dot(one, other) / lengths;
}
