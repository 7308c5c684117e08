/** Sizes of GPT-style decoders as published: what the planner's own counting is held against. Elements and bytes. */
interface Transformer {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly sequenceLength: number;
}

/** P = 12Lh²(1 + 13/(12h) + (V + s)/(12Lh)) (Narayanan et al. 2021, equation 2). */
export function parameterCount({ layers, width: h, vocabulary, sequenceLength }: Transformer): number {
  return 12 * layers * h * h * (1 + 13 / (12 * h) + (vocabulary + sequenceLength) / (12 * layers * h));
}

interface ActivationChoice {
  readonly microBatch: number;
  readonly tensorParallel: number;
  readonly recompute: 'none' | 'selective' | 'full';
  readonly hasSequenceParallel: boolean;
  readonly pipeline: number;
  /** Model chunks per stage; 1 is plain 1F1B. */
  readonly virtualStages: number;
}

/** fp16 activation bytes on the first pipeline stage (Korthikanti et al. 2022, table 2 and §4.2.3). */
export function activationBytes(model: Transformer, choice: ActivationChoice): number {
  const { width: h, heads, sequenceLength: s, layers } = model;
  const { microBatch: b, tensorParallel: t, pipeline: p, virtualStages: v } = choice;
  const scores = (5 * heads * s) / (h * t);
  const linear = choice.hasSequenceParallel ? 34 / t : 10 + 24 / t;
  const factors = { none: linear + scores, selective: linear, full: 2 } as const;
  const inFlight = v > 1 ? 1 + (p - 1) / (p * v) : 1;
  return s * b * h * factors[choice.recompute] * layers * inFlight;
}
