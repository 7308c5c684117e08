/**
 * The scale (and minimum) of a few numbers that costs least when they become small whole numbers: candidates around
 * the plain one are tried, and each is refitted by weighted least squares to the whole numbers that it gives. These are
 * the searches of ggml (ggml-org/ggml, `ggml-quants.c`: make_qkx2_quants, make_qx_quants, make_q3_quants) with its
 * candidates, weights and order of single-precision steps: one addition elsewhere would choose other bytes now and then.
 */
import { roundWithin } from './codec.ts';

const { abs, fround, sqrt } = Math;

export interface AffineFit {
  /** value ≈ scale × step − minimum, with steps from 0; both at least 0. */
  readonly scale: number;
  readonly minimum: number;
}

export interface AffineSearch {
  readonly highest: number;
  /** Candidates have `highest + first`, + 0.1 and so on of these in place of `highest`. */
  readonly first: number;
  readonly candidates: number;
  /** Errors count by size, else by square. */
  readonly isAbsolute: boolean;
  readonly weigh: (values: Float32Array) => Float32Array;
}

/** Large values decide a dot product. */
export const weighBySize = (values: Float32Array): Float32Array => weighFrom(0, values);

export function weighBySizeAndUsual(values: Float32Array): Float32Array {
  let squares = 0;
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] as number;
    squares = fround(squares + fround(value * value));
  }
  return weighFrom(fround(sqrt(fround(squares / values.length))), values);
}

function weighFrom(usual: number, values: Float32Array): Float32Array {
  const weights = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += 1) weights[at] = usual + abs(values[at] as number);
  return weights;
}

/** Leaves in `steps` what it chose for each value. */
export function fitAffine(values: Float32Array, search: AffineSearch, steps: Uint8Array): AffineFit {
  const { highest, first, candidates } = search;
  const weights = search.weigh(values);
  let [low, high, w, wx] = [Infinity, -Infinity, 0, 0];
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] as number;
    low = Math.min(low, value);
    high = Math.max(high, value);
    w = fround(w + (weights[at] as number));
    wx = fround(wx + fround((weights[at] as number) * value));
  }
  low = Math.min(0, low);
  steps.fill(0);
  if (!(high > low)) return { scale: 0, minimum: -low };
  const plain = fround(highest / fround(high - low));
  let best = { scale: fround(1 / plain), offset: low };
  for (let at = 0; at < values.length; at += 1)
    steps[at] = roundWithin(fround(plain * fround((values[at] as number) - low)), 0, highest);
  let bestError = affineError(values, weights, steps, best, search);
  const tried = new Uint8Array(values.length);
  for (let candidate = 0; candidate <= candidates; candidate += 1) {
    const stretched = fround(fround(fround(first) + fround(fround(0.1) * candidate)) + highest);
    // From the best minimum so far on.
    const lowest = best.offset;
    const inverse = fround(stretched / fround(high - lowest));
    let [wq, wqq, wxq] = [0, 0, 0];
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at] as number;
      const step = roundWithin(fround(inverse * fround(value - lowest)), 0, highest);
      const weighted = fround((weights[at] as number) * step);
      tried[at] = step;
      wq = fround(wq + weighted);
      wqq = fround(wqq + fround(weighted * step));
      wxq = fround(wxq + fround(weighted * value));
    }
    const determinant = fround(fround(w * wqq) - fround(wq * wq));
    if (!(determinant > 0)) continue;
    let scale = fround(fround(fround(w * wxq) - fround(wx * wq)) / determinant);
    let offset = fround(fround(fround(wqq * wx) - fround(wq * wxq)) / determinant);
    if (offset > 0) [scale, offset] = [fround(wxq / wqq), 0];
    const error = affineError(values, weights, tried, { scale, offset }, search);
    if (error < bestError) {
      steps.set(tried);
      [best, bestError] = [{ scale, offset }, error];
    }
  }
  return { scale: best.scale, minimum: -best.offset };
}

function affineError(
  values: Float32Array,
  weights: Float32Array,
  steps: Uint8Array,
  { scale, offset }: { readonly scale: number; readonly offset: number },
  { isAbsolute }: AffineSearch,
): number {
  let error = 0;
  for (let at = 0; at < values.length; at += 1) {
    const restored = fround(fround(scale * (steps[at] as number)) + offset);
    const off = fround(restored - (values[at] as number));
    const cost = isAbsolute ? abs(off) : fround(off * off);
    error = fround(error + fround((weights[at] as number) * cost));
  }
  return error;
}

/** Below this ggml takes all values of a group for zeros. */
const nothing = 1e-15;

function extremeOf(values: Float32Array): number {
  let extreme = 0;
  for (const value of values) if (abs(value) > abs(extreme)) extreme = value;
  return extreme;
}

/** Both sums weigh a value by its square. */
class Products {
  wxq = 0;
  wqq = 0;

  add(value: number, step: number): void {
    const weight = fround(value * value);
    this.wxq = fround(this.wxq + fround(fround(weight * value) * step));
    this.wqq = fround(this.wqq + fround(fround(weight * step) * step));
  }

  get scale(): number {
    return this.wqq > 0 ? fround(this.wxq / this.wqq) : 0;
  }
}

/**
 * value ≈ scale × step, with steps from −half to half − 1; the scale may be negative, so that the longer end fits.
 * Leaves step + half of each value in `steps`.
 */
export type SymmetricFit = (values: Float32Array, half: number, steps: Uint8Array) => number;

/** Nineteen candidates around the plain scale. */
export const fitSymmetric: SymmetricFit = (values, half, steps) => {
  const extreme = extremeOf(values);
  steps.fill(0);
  if (abs(extreme) < nothing) return 0;
  const productsOf = (inverse: number): Products => {
    const products = new Products();
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at] as number;
      products.add(value, roundWithin(fround(inverse * value), -half, half - 1));
    }
    return products;
  };
  const keep = (inverse: number): void => {
    for (let at = 0; at < values.length; at += 1)
      steps[at] = half + roundWithin(fround(inverse * (values[at] as number)), -half, half - 1);
  };
  const plain = fround(-half / extreme);
  let { scale, wxq } = productsOf(plain);
  keep(plain);
  /** The error falls by this much beside that of all zeros. */
  let gain = fround(scale * wxq);
  for (let nudge = -9; nudge <= 9; nudge += 1) {
    if (nudge === 0) continue;
    const inverse = fround(-fround(half + fround(fround(0.1) * nudge)) / extreme);
    const products = productsOf(inverse);
    if (!(products.wqq > 0 && fround(products.wxq * products.wxq) > fround(gain * products.wqq))) continue;
    keep(inverse);
    ({ scale, wxq } = products);
    gain = fround(scale * wxq);
  }
  return scale;
};

/** From the plain steps on, each value in turn takes the step that suits the rest best: at most five times over. */
export const fitByTurns: SymmetricFit = (values, half, steps) => {
  const extreme = extremeOf(values);
  steps.fill(0);
  if (abs(extreme) < nothing) return 0;
  const within = (value: number): number => roundWithin(value, -half, half - 1);
  const plain = fround(-half / extreme);
  let all = new Products();
  const chosen = Array.from(values, (value) => within(fround(plain * value)));
  for (const [at, value] of values.entries()) all.add(value, chosen[at] as number);
  for (let turn = 0, isChanged = true; turn < 5 && isChanged; turn += 1) {
    isChanged = false;
    for (const [at, value] of values.entries()) {
      const step = chosen[at] as number;
      const weight = fround(value * value);
      const others = new Products();
      others.wxq = fround(all.wxq - fround(fround(weight * value) * step));
      if (!(others.wxq > 0)) continue;
      others.wqq = fround(all.wqq - fround(fround(weight * step) * step));
      const better = within(fround(fround(value * others.wqq) / others.wxq));
      if (better === step) continue;
      others.add(value, better);
      const gained = fround(fround(others.wxq * others.wxq) * all.wqq);
      if (!(others.wqq > 0 && gained > fround(fround(all.wxq * all.wxq) * others.wqq))) continue;
      chosen[at] = better;
      all = others;
      isChanged = true;
    }
  }
  for (const [at, step] of chosen.entries()) steps[at] = step + half;
  return all.scale;
};
