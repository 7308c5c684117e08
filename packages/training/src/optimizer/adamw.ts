/** AdamW (Loshchilov and Hutter 2019, algorithm 2) in place on flat buffers. */
export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export const adamWDefaults: AdamWSettings = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };

export interface AdamWState {
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export interface AdamWStep {
  /** Counts from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** Multiplies every gradient first: the clip factor. */
  readonly gradientScale: number;
}

/** Updates elements [from, to). `decays` is false for norm weights. */
export function adamWUpdate(
  state: AdamWState,
  range: { readonly from: number; readonly to: number; readonly decays: boolean },
  settings: AdamWSettings,
  { step, learningRate, gradientScale }: AdamWStep,
): void {
  const { parameters, gradients, first, second } = state;
  const { beta1, beta2, epsilon } = settings;
  const keep = range.decays ? 1 - learningRate * settings.weightDecay : 1;
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  const rest1 = 1 - beta1;
  const rest2 = 1 - beta2;
  for (let index = range.from; index < range.to; index += 1) {
    const gradient = (gradients[index] as number) * gradientScale;
    const m = beta1 * (first[index] as number) + rest1 * gradient;
    const v = beta2 * (second[index] as number) + rest2 * gradient * gradient;
    first[index] = m;
    second[index] = v;
    parameters[index] =
      (parameters[index] as number) * keep - (rate * m) / (Math.sqrt(v) * correction + epsilon);
  }
}

/** Euclidean norm, summed in float64. */
export function gradientNorm(gradients: Float32Array, length: number): number {
  let sum = 0;
  for (let index = 0; index < length; index += 1) {
    const value = gradients[index] as number;
    sum += value * value;
  }
  return Math.sqrt(sum);
}

/** Gradients longer than `limit` are scaled down to it (Pascanu et al. 2013). */
export function clipFactor(norm: number, limit: number): number {
  return norm > limit ? limit / norm : 1;
}
