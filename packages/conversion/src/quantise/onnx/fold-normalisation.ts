/**
 * A factor and a shift for each channel behind a layer go into its weights and bias. BatchNormalization in inference is
 * such a pair: y = (x − mean) · scale / √(variance + ε) + shift; Mul and Add with constants are others.
 */
import { reviseNode, type GraphNode } from '@gantry/formats/onnx';
import type { Constant } from './clean-graph.ts';
import type { Pair, PairRule } from './fold-pairs.ts';

/** A layer whose channels are known. */
interface Layer {
  readonly weight: Constant & { readonly values: Float32Array };
  readonly bias: Float32Array | undefined;
  readonly channels: number;
  /** Of the weight's value `at`. */
  readonly channelOf: (at: number) => number;
  /** MatMul has none. */
  readonly takesBias: boolean;
  /** Axes of what it gives behind the channels. */
  readonly axesBehind: number;
}

/** y = x · factor + shift, by channel. */
interface Change {
  readonly factors: Float32Array;
  readonly shifts: Float32Array | undefined;
}

const rule = (what: string, changeOf: (pair: Pair, layer: Layer) => Change | undefined): PairRule => ({
  what,
  join: (pair) => {
    const { first, second, constants } = pair;
    const layer = layerOf(first, constants);
    const change = layer && changeOf(pair, layer);
    if (layer === undefined || change === undefined) return undefined;
    const { weight, bias, channels, channelOf, takesBias } = layer;
    const { factors, shifts } = change;
    if (!takesBias && shifts !== undefined) return undefined;
    const [output = ''] = second.outputs;
    const names = [`${output}:weight`, `${output}:bias`] as const;
    constants.set(names[0], {
      name: names[0],
      shape: weight.shape,
      values: weight.values.map((value, at) => value * (factors[channelOf(at)] as number)),
      integers: undefined,
    });
    const isBiased = bias !== undefined || shifts !== undefined;
    if (isBiased)
      constants.set(names[1], {
        name: names[1],
        shape: [channels],
        values: factors.map((factor, at) => (bias?.[at] ?? 0) * factor + (shifts?.[at] ?? 0)),
        integers: undefined,
      });
    const inputs = [first.inputs[0] ?? '', names[0], ...(isBiased ? [names[1]] : [])];
    return reviseNode(first, { inputs, outputs: [output] });
  },
});

export const channelRules: readonly PairRule[] = [
  rule('BatchNormalization folded', ({ second, constants }, { channels, takesBias }) => {
    const { operator, numbers } = second;
    if (operator !== 'BatchNormalization' || numbers['training_mode'] === 1 || !takesBias) return undefined;
    const [scale, shift, mean, variance] = second.inputs.slice(1).map((name) => constants.get(name)?.values);
    if (scale === undefined || shift === undefined || mean === undefined || variance === undefined)
      return undefined;
    if ([scale, shift, mean, variance].some(({ length }) => length !== channels)) return undefined;
    const { epsilon = 1e-5 } = numbers;
    const factors = scale.map((each, at) => each / Math.sqrt((variance[at] as number) + epsilon));
    return {
      factors,
      shifts: shift.map((each, at) => each - (mean[at] as number) * (factors[at] as number)),
    };
  }),
  rule('Mul folded', ({ second, constants }, layer) => {
    const factors = second.operator === 'Mul' ? byChannel(second, constants, layer) : undefined;
    return factors && { factors, shifts: undefined };
  }),
  rule('Add folded', ({ second, constants }, layer) => {
    const shifts = second.operator === 'Add' ? byChannel(second, constants, layer) : undefined;
    return shifts && { factors: new Float32Array(layer.channels).fill(1), shifts };
  }),
];

function layerOf(node: GraphNode, constants: ReadonlyMap<string, Constant>): Layer | undefined {
  const { operator, numbers, inputs } = node;
  const weight = constants.get(inputs[1] ?? '');
  const biasName = inputs[2] ?? '';
  const bias = constants.get(biasName)?.values;
  if (weight?.values === undefined || constants.has(inputs[0] ?? '')) return undefined;
  if (biasName !== '' && bias === undefined) return undefined;
  const { values, shape } = weight;
  const { alpha = 1, beta = 1, transA = 0, transB = 0 } = numbers;
  const isGemm = operator === 'Gemm' && alpha === 1 && beta === 1 && transA === 0 && shape.length === 2;
  const isMatMul = operator === 'MatMul' && shape.length === 2;
  const isConv = operator === 'Conv' && shape.length > 2;
  if (!isGemm && !isMatMul && !isConv) return undefined;
  const isLast = isMatMul || (isGemm && transB !== 1);
  const channels = (isLast ? shape[1] : shape[0]) ?? 0;
  if (channels === 0 || (bias !== undefined && bias.length !== channels)) return undefined;
  const each = values.length / channels;
  return {
    weight: { ...weight, values },
    bias,
    channels,
    channelOf: isLast ? (at) => at % channels : (at) => Math.floor(at / each),
    takesBias: !isMatMul,
    axesBehind: isConv ? shape.length - 2 : 0,
  };
}

/** The constant beside the layer's output: one number, or one a channel in a shape that spreads over the rest. */
function byChannel(
  { inputs }: GraphNode,
  constants: ReadonlyMap<string, Constant>,
  { channels, axesBehind }: Layer,
): Float32Array | undefined {
  const constant = inputs.map((name) => constants.get(name)).find((found) => found !== undefined);
  const { values, shape = [] } = constant ?? {};
  if (inputs.length !== 2 || values === undefined) return undefined;
  const isFewer = shape.length <= axesBehind + 2;
  if (values.length === 1 && isFewer && shape.length <= 1)
    return new Float32Array(channels).fill(values[0] as number);
  // Aligned from the right: [channels, 1, 1] behind a convolution, [channels] behind a matrix.
  const wanted = [channels, ...new Array<number>(axesBehind).fill(1)];
  const own = shape.slice(Math.max(0, shape.length - wanted.length));
  const before = shape.slice(0, Math.max(0, shape.length - wanted.length));
  return isFewer && own.join() === wanted.join() && before.every((size) => size === 1) ? values : undefined;
}
