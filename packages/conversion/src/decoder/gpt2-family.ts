/** GPT-2: learned positions, LayerNorm, biases; one matrix for queries, keys and values, and every matrix [in, out]. */
import { FormatError } from '@gantry/formats';
import type { Activation, DecoderForm, Held, Linear } from './decoder-form.ts';
import { countOf, type Json } from './config-count.ts';
import { transposed } from './transposed.ts';
import type { WeightSource } from './weight-source.ts';

/** By the names of Hugging Face. */
const activations: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  relu: 'relu',
};

/** Must be as here, or left out. */
const plain: Readonly<Record<string, unknown>> = {
  scale_attn_weights: true,
  scale_attn_by_inverse_layer_idx: false,
  add_cross_attention: false,
};

export interface Gpt2Sizes {
  readonly activation: Activation;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  readonly layers: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly normEpsilon: number;
}

export function gpt2Sizes(json: Json): Gpt2Sizes {
  for (const [name, wanted] of Object.entries(plain))
    if (json[name] !== undefined && json[name] !== wanted)
      throw new FormatError('format_unsupported', `config.json: ${name} is ${JSON.stringify(json[name])}.`);
  const { activation_function: name = 'gelu_new' } = json;
  const activation = typeof name === 'string' ? activations[name] : undefined;
  if (activation === undefined)
    throw new FormatError(
      'format_unsupported',
      `config.json: activation_function is ${JSON.stringify(name)}.`,
      `One of ${Object.keys(activations).join(', ')} is computed here.`,
    );
  const [width, heads] = [countOf(json, 'n_embd'), countOf(json, 'n_head')];
  const vocabularySize = countOf(json, 'vocab_size');
  const contextLength = countOf(json, 'n_positions');
  const hidden =
    json['n_inner'] === undefined || json['n_inner'] === null ? 4 * width : countOf(json, 'n_inner');
  if (width % heads !== 0)
    throw new FormatError('format_invalid', `config.json: ${width} does not divide by ${heads} heads.`);
  return {
    activation,
    width,
    heads,
    hidden,
    layers: countOf(json, 'n_layer', 10_000),
    vocabularySize,
    contextLength,
    normEpsilon: typeof json['layer_norm_epsilon'] === 'number' ? json['layer_norm_epsilon'] : 1e-5,
  };
}

/** Files of the bare model leave it out. */
export const gpt2Prefix = (source: Pick<WeightSource, 'has'>): string =>
  source.has('transformer.wte.weight') ? 'transformer.' : '';

export function gpt2Form(json: Json, source: WeightSource): DecoderForm {
  const { activation, width, heads, hidden, layers, vocabularySize, contextLength, normEpsilon } =
    gpt2Sizes(json);
  const prefix = gpt2Prefix(source);
  const held = (name: string, shape: readonly number[]): Held => {
    source.check(name, shape);
    return { name, shape, data: () => source.read(name, shape) };
  };
  const norm = (name: string) => ({
    scale: held(`${name}.weight`, [width]),
    shift: held(`${name}.bias`, [width]),
  });
  const linear = (name: string, from: number, to: number): Linear => ({
    matrix: held(`${name}.weight`, [from, to]),
    bias: held(`${name}.bias`, [to]),
  });
  /** The third of the joined matrix that begins at `part` widths. */
  const third = (name: string, part: number): Linear => {
    const { matrix, bias } = linear(name, width, 3 * width) as Required<Linear>;
    const columns = (joined: Held, rows: number): Held => ({
      name: `${joined.name}:${part}`,
      shape: joined.shape.length === 1 ? [width] : [rows, width],
      data: () => columnsOf(joined.data(), rows, 3 * width, part * width, width),
    });
    return { matrix: columns(matrix, width), bias: columns(bias, 1) };
  };
  const embedding = held(`${prefix}wte.weight`, [vocabularySize, width]);
  const head = source.has('lm_head.weight') ? held('lm_head.weight', [vocabularySize, width]) : embedding;
  return {
    family: 'gpt2',
    width,
    heads,
    kvHeads: heads,
    headWidth: width / heads,
    vocabularySize,
    contextLength,
    normEpsilon,
    embedding,
    positions: { kind: 'learned', table: held(`${prefix}wpe.weight`, [contextLength, width]) },
    layers: Array.from({ length: layers }, (_, index) => {
      const layer = `${prefix}h.${index}`;
      return {
        before: norm(`${layer}.ln_1`),
        query: third(`${layer}.attn.c_attn`, 0),
        key: third(`${layer}.attn.c_attn`, 1),
        value: third(`${layer}.attn.c_attn`, 2),
        output: linear(`${layer}.attn.c_proj`, width, width),
        middle: norm(`${layer}.ln_2`),
        mlp: {
          kind: 'plain',
          activation,
          up: linear(`${layer}.mlp.c_fc`, width, hidden),
          down: linear(`${layer}.mlp.c_proj`, hidden, width),
        },
      };
    }),
    last: norm(`${prefix}ln_f`),
    head: {
      name: `${head.name}:t`,
      shape: [width, vocabularySize],
      data: () => transposed(head.data(), vocabularySize, width),
    },
  };
}

/** Some columns of a matrix. */
function columnsOf(
  values: Float32Array,
  rows: number,
  columns: number,
  from: number,
  count: number,
): Float32Array {
  const result = new Float32Array(rows * count);
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < count; column += 1)
      result[row * count + column] = values[row * columns + from + column] as number;
  return result;
}
