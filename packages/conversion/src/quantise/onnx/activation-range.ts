/**
 * The range of values that an activation has, from samples, in two passes: first how far they reach, then how they
 * lie within (2,048 bins). `minmax` takes all of it; `percentile` leaves out the outermost; `entropy` cuts where the
 * distribution, told in 128 levels, has changed least (Kullback-Leibler; Migacz 2017, "8-bit Inference with TensorRT").
 */
import type { CalibrationMethod } from '@gantry/contract';

export interface ActivationRange {
  readonly low: number;
  readonly high: number;
}

const bins = 2_048;
const levels = 128;
const thresholds = 128;
/** Fewer in a bin are noise. */
const valuesPerBin = 32;

export class RangeObserver {
  #low = 0;
  #high = 0;
  readonly #counts = new Float64Array(bins);

  /** First pass, over all samples. Zero belongs to every range: padding and ReLU give it. */
  reach(values: Float32Array): void {
    for (const value of values) {
      if (value < this.#low) this.#low = value;
      else if (value > this.#high) this.#high = value;
    }
  }

  /** Second pass, over the same. */
  fill(values: Float32Array): void {
    const width = (this.#high - this.#low) / bins;
    if (width === 0) return;
    for (const value of values) {
      const bin = Math.min(bins - 1, Math.floor((value - this.#low) / width));
      this.#counts[bin] = (this.#counts[bin] as number) + 1;
    }
  }

  /** `share`: of the values, for `percentile`. */
  range(method: CalibrationMethod, share = 0.9999): ActivationRange {
    const whole = { low: this.#low, high: this.#high };
    if (method === 'minmax' || this.#high === this.#low) return whole;
    return method === 'percentile' ? this.#inner(share) : this.#leastChanged();
  }

  #inner(share: number): ActivationRange {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    const outside = (total * (1 - share)) / 2;
    const width = (this.#high - this.#low) / bins;
    const first = firstBeyond(this.#counts, outside);
    const last = bins - 1 - firstBeyond(this.#counts.toReversed(), outside);
    return { low: Math.min(0, this.#low + first * width), high: Math.max(0, this.#low + (last + 1) * width) };
  }

  /** A threshold on the size of values is lowered step by step. Few values tell little of fine bins: those are joined. */
  #leastChanged(): ActivationRange {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    let joined = 1;
    while (joined < bins / (2 * levels) && (total * joined) / bins < valuesPerBin) joined *= 2;
    const counts = Float64Array.from({ length: bins / joined }, (_, at) =>
      this.#counts.subarray(at * joined, (at + 1) * joined).reduce((sum, count) => sum + count, 0),
    );
    const width = (this.#high - this.#low) / counts.length;
    const reach = Math.max(-this.#low, this.#high);
    let best = { divergence: Infinity, low: this.#low, high: this.#high };
    for (let step = thresholds; step > 0; step--) {
      const threshold = (reach * step) / thresholds;
      const [low, high] = [Math.max(this.#low, -threshold), Math.min(this.#high, threshold)];
      const first = Math.round((low - this.#low) / width);
      const last = Math.round((high - this.#low) / width);
      if (last - first < levels) break;
      const divergence = divergenceOfCut(counts, first, last);
      if (divergence < best.divergence) best = { divergence, low, high };
    }
    return { low: best.low, high: best.high };
  }
}

/** The first bin up to which more than so many values lie. */
function firstBeyond(counts: Float64Array, outside: number): number {
  let seen = 0;
  return Math.max(
    0,
    counts.findIndex((count) => (seen += count) > outside),
  );
}

/** What the values within say of all of them, once they are told in levels and the rest is clipped onto the ends. */
function divergenceOfCut(counts: Float64Array, first: number, last: number): number {
  const inside = counts.slice(first, last);
  const clipped = inside.slice();
  for (const count of counts.subarray(0, first)) clipped[0] = (clipped[0] as number) + count;
  for (const count of counts.subarray(last)) clipped[clipped.length - 1] = (clipped.at(-1) ?? 0) + count;
  return divergenceOf(clipped, asLevels(inside));
}

/** The counts as 128 levels tell them: spread evenly over the bins of a level that hold any. */
function asLevels(counts: Float64Array): Float64Array {
  const told = new Float64Array(counts.length);
  for (let level = 0; level < levels; level++) {
    const from = Math.floor((level * counts.length) / levels);
    const to = Math.floor(((level + 1) * counts.length) / levels);
    let [sum, holding] = [0, 0];
    for (let bin = from; bin < to; bin++) {
      sum += counts[bin] as number;
      if (counts[bin] !== 0) holding++;
    }
    for (let bin = from; bin < to; bin++) if (counts[bin] !== 0) told[bin] = sum / holding;
  }
  return told;
}

/** In nats; bins that the second does not hold count as one in ten thousand of a value. */
function divergenceOf(counts: Float64Array, told: Float64Array): number {
  const least = 1e-4;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const toldTotal = told.reduce((sum, count) => sum + count, 0);
  if (toldTotal === 0) return Infinity;
  let divergence = 0;
  for (const [bin, count] of counts.entries()) {
    if (count === 0) continue;
    const p = count / total;
    const q = Math.max(told[bin] as number, least) / toldTotal;
    divergence += p * Math.log(p / q);
  }
  return divergence;
}
