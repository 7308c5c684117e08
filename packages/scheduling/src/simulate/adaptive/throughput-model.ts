/**
 * How fast an application runs, learned from what its jobs have measured: computing is a line in the
 * local batch; waiting for others is a line in the number of replicas, one line inside a node and one
 * across nodes. What was never seen is taken as free, so that it gets tried.
 */
import type { Observation } from './adaptive-job.ts';
import type { StepTime } from './application.ts';

export class ThroughputModel {
  readonly #seen = new Map<string, Observation>();
  #compute: Line = { base: 0, slope: 0 };
  #near: Line = { base: 0, slope: 0 };
  #far: Line = { base: 0, slope: 0 };
  #gamma = 1;
  /** The largest number of replicas anything was measured with. */
  largestRun = 0;
  /** Grows when the lines have moved. */
  version = 0;

  learn(observations: ReadonlyMap<string, Observation>): void {
    let isNew = false;
    for (const [key, observation] of observations) {
      if (this.#seen.has(key)) continue;
      this.#seen.set(key, observation);
      isNew = true;
    }
    if (!isNew) return;
    const all = [...this.#seen.values()];
    const replicasOf = ({ placement }: Observation): number =>
      placement.reduce((sum, count) => sum + count, 0);
    this.largestRun = Math.max(...all.map(replicasOf));
    this.#compute = fit(
      all.map(({ localBatch, stepSeconds, syncSeconds }) => [localBatch, stepSeconds - syncSeconds]),
    );
    let least = Infinity;
    for (const gamma of GAMMAS) {
      const waits = (isFar: boolean): Line =>
        fit(
          all
            .filter((each) => replicasOf(each) > 1 && each.placement.length > 1 === isFar)
            .map((each) => {
              const compute = each.stepSeconds - each.syncSeconds;
              return [
                replicasOf(each),
                Math.max(1e-6, each.stepSeconds ** gamma - compute ** gamma) ** (1 / gamma),
              ];
            }),
        );
      const [near, far] = [waits(false), waits(true)];
      let error = 0;
      for (const each of all) {
        const replicas = replicasOf(each);
        if (replicas === 1) continue;
        const line = each.placement.length > 1 ? far : near;
        const compute = each.stepSeconds - each.syncSeconds;
        const wait = Math.max(0, line.base + line.slope * replicas);
        error += Math.log(overlap(compute, wait, gamma) / each.stepSeconds) ** 2;
      }
      if (error < least) {
        least = error;
        this.#near = near;
        this.#far = far;
        this.#gamma = gamma;
      }
    }
    this.version++;
  }

  stepTime(nodes: number, replicas: number, localBatch: number): StepTime {
    const compute = Math.max(1e-6, this.#compute.base + this.#compute.slope * localBatch);
    if (replicas === 1) return { stepSeconds: compute, syncSeconds: 0 };
    const line = nodes === 1 ? this.#near : this.#far;
    const wait = Math.max(0, line.base + line.slope * replicas);
    const stepSeconds = overlap(compute, wait, this.#gamma);
    return { stepSeconds, syncSeconds: stepSeconds - compute };
  }
}

/** Computing and waiting partly at the same time: 1 = one after the other, large = the longer of both. */
function overlap(compute: number, wait: number, gamma: number): number {
  return (compute ** gamma + wait ** gamma) ** (1 / gamma);
}

const GAMMAS = [1, 1.2, 1.5, 2, 3, 5];

interface Line {
  base: number;
  slope: number;
}

/** Least squares of relative errors; never falling, and flat through a single point. */
function fit(points: readonly (readonly [x: number, y: number])[]): Line {
  let weight = 0;
  let meanX = 0;
  let meanY = 0;
  const weights = points.map(([, y]) => 1 / Math.max(y, 1e-6) ** 2);
  for (const [at, [x, y]] of points.entries()) {
    weight += weights[at]!;
    meanX += weights[at]! * x;
    meanY += weights[at]! * y;
  }
  if (weight === 0) return { base: 0, slope: 0 };
  meanX /= weight;
  meanY /= weight;
  let spread = 0;
  let rise = 0;
  for (const [at, [x, y]] of points.entries()) {
    spread += weights[at]! * (x - meanX) ** 2;
    rise += weights[at]! * (x - meanX) * (y - meanY);
  }
  const slope = spread > 1e-12 ? Math.max(0, rise / spread) : 0;
  return { base: Math.max(0, meanY - slope * meanX), slope };
}
