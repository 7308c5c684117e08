/**
 * How fast a gang runs with more or fewer members, from what was measured: a unit of work takes
 * a / members + b seconds (what is shared out, and what waits for the others), a and b by least squares
 * of relative errors. One measurement alone is taken to scale without loss — up to twice the largest size
 * seen, because what lies beyond is unknown (as in Optimus and Pollux).
 */
import type { Speed } from '../snapshot.ts';

export class SpeedCurve {
  readonly #shared: number;
  readonly #waiting: number;
  /** The largest size that may be believed. */
  readonly largest: number;

  private constructor(shared: number, waiting: number, largest: number) {
    this.#shared = shared;
    this.#waiting = waiting;
    this.largest = largest;
  }

  /** On devices of `model`; where nothing was measured there, of the model measured most. null = nothing measured. */
  static of({ runs }: Speed, model: string | null): SpeedCurve | null {
    const here = runs.filter((run) => run.model === model);
    const points = here.length > 0 ? here : mostMeasured(runs);
    if (points.length === 0) return null;
    const largest = 2 * Math.max(...points.map(({ members }) => members));
    const [shared, waiting] = fit(points.map(({ members, perSecond }) => [1 / members, 1 / perSecond]));
    return new SpeedCurve(shared, waiting, largest);
  }

  /** Units of work a second. */
  rate(members: number): number {
    return 1 / (this.#shared / members + this.#waiting);
  }
}

/**
 * Progress a second, in units of work with the smallest batch: where the batch grows with the gang, a
 * larger one is worth less the smaller the noise of the gradient is (McCandlish 2018; Pollux §3.1).
 */
export function goodput({ noise }: Speed, curve: SpeedCurve, members: number, fewest: number): number {
  const rate = curve.rate(members);
  if (noise === undefined) return rate;
  const { scale, batchPerMember } = noise;
  return (rate * (scale + batchPerMember * fewest)) / (scale + batchPerMember * members);
}

/** How fast on a model beside the mean of the measured ones, member for member; 1 = unknown. */
export function speedOn({ runs }: Speed, model: string): number {
  const best = new Map<string, number>();
  for (const run of runs)
    best.set(run.model, Math.max(best.get(run.model) ?? 0, run.perSecond / run.members));
  const mean = [...best.values()].reduce((sum, value) => sum + value, 0) / Math.max(1, best.size);
  const here = best.get(model);
  return here === undefined || mean === 0 ? 1 : here / mean;
}

function mostMeasured(runs: Speed['runs']): Speed['runs'] {
  const byModel = Map.groupBy(runs, ({ model }) => model);
  return [...byModel.values()].reduce((most, some) => (some.length > most.length ? some : most), []);
}

/** y = a x + b with both at least nought; a line through the origin where x does not vary. */
function fit(points: readonly (readonly [x: number, y: number])[]): [a: number, b: number] {
  let weight = 0;
  let meanX = 0;
  let meanY = 0;
  for (const [x, y] of points) {
    weight += y ** -2;
    meanX += x * y ** -2;
    meanY += y ** -1;
  }
  meanX /= weight;
  meanY /= weight;
  let spread = 0;
  let rise = 0;
  for (const [x, y] of points) {
    spread += y ** -2 * (x - meanX) ** 2;
    rise += y ** -2 * (x - meanX) * (y - meanY);
  }
  const slope = spread > 1e-12 * meanX ** 2 * weight ? rise / spread : Infinity;
  if (slope >= meanY / meanX) return [meanY / meanX, 0];
  return [Math.max(0, slope), meanY - Math.max(0, slope) * meanX];
}
