/**
 * The scale (and offset) of a few numbers that costs least when they become small whole numbers: candidates around
 * the plain one are tried, and each is refitted by weighted least squares to the whole numbers that it gives. Large
 * values weigh more, since they decide a dot product.
 */
import { roundWithin } from './codec.ts';

export interface AffineFit {
  /** value ≈ scale × step − minimum, with steps from 0; both at least 0. */
  readonly scale: number;
  readonly minimum: number;
}

const weightOf = (value: number, rootMeanSquare: number): number => rootMeanSquare + Math.abs(value);

function rootMeanSquareOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum / values.length);
}

export function fitAffine(values: Float32Array, highest: number): AffineFit {
  let [low, high] = [0, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (!(high > low)) return { scale: 0, minimum: -low };
  const usual = rootMeanSquareOf(values);
  let best: AffineFit = { scale: (high - low) / highest, minimum: -low };
  let bestError = affineError(values, usual, best, highest);
  for (let nudge = -10; nudge <= 10; nudge += 1) {
    const inverse = (highest + nudge * 0.1) / (high - low);
    let [w, wx, wq, wxq, wqq] = [0, 0, 0, 0, 0];
    for (const value of values) {
      const weight = weightOf(value, usual);
      const step = roundWithin((value - low) * inverse, 0, highest);
      w += weight;
      wx += weight * value;
      wq += weight * step;
      wxq += weight * value * step;
      wqq += weight * step * step;
    }
    const determinant = w * wqq - wq * wq;
    if (determinant <= 0) continue;
    let scale = (w * wxq - wx * wq) / determinant;
    let offset = (wqq * wx - wq * wxq) / determinant;
    if (offset > 0) [scale, offset] = [wxq / wqq, 0];
    if (!(scale > 0)) continue;
    const fit = { scale, minimum: -offset };
    const error = affineError(values, usual, fit, highest);
    if (error < bestError) [best, bestError] = [fit, error];
  }
  return best;
}

function affineError(values: Float32Array, usual: number, fit: AffineFit, highest: number): number {
  const { scale, minimum } = fit;
  let error = 0;
  for (const value of values) {
    const step = scale === 0 ? 0 : roundWithin((value + minimum) / scale, 0, highest);
    error += weightOf(value, usual) * (value - (scale * step - minimum)) ** 2;
  }
  return error;
}

/** value ≈ scale × step, with steps from −half to half − 1; the scale may be negative, so that the longer end fits. */
export function fitSymmetric(values: Float32Array, half: number): number {
  let extreme = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  if (extreme === 0) return 0;
  let best = { scale: 0, gain: -Infinity };
  for (let nudge = -9; nudge <= 9; nudge += 1) {
    const inverse = -(half + nudge * 0.1) / extreme;
    let [wxq, wqq] = [0, 0];
    for (const value of values) {
      const step = roundWithin(value * inverse, -half, half - 1);
      wxq += value * value * value * step;
      wqq += value * value * step * step;
    }
    if (wqq === 0) continue;
    // The error falls by this much beside that of all zeros.
    const gain = (wxq * wxq) / wqq;
    if (gain > best.gain) best = { scale: wxq / wqq, gain };
  }
  return best.scale;
}
