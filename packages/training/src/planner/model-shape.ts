/** A decoder as the planner sees it: GPT (plain MLP, biases, learned positions) and Llama (gated, grouped) alike. */
export interface ModelShape {
  readonly name: string;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  /** Inner width of the MLP. */
  readonly hidden: number;
  /** SwiGLU: three matrices instead of two. */
  readonly isGated: boolean;
  readonly hasBias: boolean;
  readonly vocabulary: number;
  /** One matrix embeds and projects. */
  readonly isTied: boolean;
  /** Learned position vectors; 0 with rotary positions. */
  readonly positions: number;
  /** LayerNorm has two vectors, RMSNorm one. */
  readonly normVectors: 1 | 2;
  readonly hasDropout: boolean;
  /** Each layer has so many MLPs, of which `top` see a token; absent: one sees all. */
  readonly experts?: { readonly count: number; readonly top: number } | undefined;
}

type Matrix = readonly [number, number, 'column' | 'row'];

/** Attention's matrices of one layer as [inputs, outputs, how tensor parallelism cuts them]. */
export function attentionMatrices({ width, heads, kvHeads, headWidth }: ModelShape): readonly Matrix[] {
  return [
    [width, (heads + 2 * kvHeads) * headWidth, 'column'],
    [heads * headWidth, width, 'row'],
  ];
}

/** Of one MLP. Where there are several, each is whole on one tensor rank. */
export function mlpMatrices({ width, hidden, isGated }: ModelShape): readonly Matrix[] {
  return [
    [width, isGated ? 2 * hidden : hidden, 'column'],
    [hidden, width, 'row'],
  ];
}

export function layerParameters(model: ModelShape): number {
  const { experts, width, normVectors } = model;
  const router = experts === undefined ? 0 : width * experts.count;
  const mlps = (experts?.count ?? 1) * sizeOf(model, mlpMatrices(model));
  return sizeOf(model, attentionMatrices(model)) + mlps + router + 2 * normVectors * width;
}

/** Of a layer, those that some ranks have and others do not. */
export function expertParameters(model: ModelShape): number {
  return (model.experts?.count ?? 0) * sizeOf(model, mlpMatrices(model));
}

function sizeOf({ hasBias }: ModelShape, matrices: readonly Matrix[]): number {
  return matrices.reduce((sum, [inputs, outputs]) => sum + inputs * outputs + (hasBias ? outputs : 0), 0);
}

export function embeddingParameters({ vocabulary, positions, width }: ModelShape): number {
  return (vocabulary + positions) * width;
}

/** Matrix that makes logits out of the last layer; none of its own when tied. */
export const headParameters = ({ vocabulary, width, isTied }: ModelShape): number =>
  isTied ? 0 : vocabulary * width;

export function modelParameters(model: ModelShape): number {
  return (
    model.layers * layerParameters(model) +
    embeddingParameters(model) +
    headParameters(model) +
    model.normVectors * model.width
  );
}

/**
 * FLOP that one sequence needs, three passes and no recompute: 72 s L h² (1 + s/(6h) + V/(12 h L)) for a GPT
 * (Korthikanti et al. 2022, equation 7), the same sum for other shapes. What MFU counts.
 */
export function modelFlop(model: ModelShape, sequenceLength: number): number {
  const perToken = (matrices: readonly Matrix[]): number =>
    matrices.reduce((sum, [inputs, outputs]) => sum + inputs * outputs, 0);
  // Of experts, those that see the token.
  const weights =
    perToken(attentionMatrices(model)) + (model.experts?.top ?? 1) * perToken(mlpMatrices(model));
  const attention = 2 * sequenceLength * model.heads * model.headWidth;
  return 6 * sequenceLength * (model.layers * (weights + attention) + model.vocabulary * model.width);
}

/** GPT-2 and GPT-3 style: what the Megatron papers train. */
export function gptModel(
  name: string,
  [layers, width, heads]: readonly [number, number, number],
  { vocabulary = 51_200, positions = 2_048 } = {},
): ModelShape {
  return {
    name,
    layers,
    width,
    heads,
    kvHeads: heads,
    headWidth: width / heads,
    hidden: 4 * width,
    isGated: false,
    hasBias: true,
    vocabulary,
    isTied: true,
    positions,
    normVectors: 2,
    hasDropout: true,
  };
}

interface LlamaExtras {
  readonly isTied?: boolean;
  readonly headWidth?: number;
  readonly experts?: ModelShape['experts'];
}

export function llamaModel(
  name: string,
  [layers, width, heads, kvHeads, hidden, vocabulary]: readonly [
    number,
    number,
    number,
    number,
    number,
    number,
  ],
  { isTied = false, headWidth = width / heads, experts }: LlamaExtras = {},
): ModelShape {
  return {
    name,
    layers,
    width,
    heads,
    kvHeads,
    headWidth,
    hidden,
    isGated: true,
    hasBias: false,
    vocabulary,
    isTied,
    positions: 0,
    normVectors: 1,
    hasDropout: false,
    experts,
  };
}
