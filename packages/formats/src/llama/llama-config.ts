/** Hugging Face `config.json` of the Llama architecture, the part that decides the shapes and the maths. */
import { FormatError } from '../format-error.ts';

export interface LlamaConfig {
  readonly vocabularySize: number;
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly contextLength: number;
  readonly ropeTheta: number;
  readonly normEpsilon: number;
  /** The output head shares the embedding's weights. */
  readonly tiedEmbeddings: boolean;
  readonly bosId: number;
  readonly eosId: number;
}

export function toConfigJson(config: LlamaConfig): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabularySize,
    hidden_size: config.width,
    intermediate_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headWidth,
    max_position_embeddings: config.contextLength,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    rms_norm_eps: config.normEpsilon,
    hidden_act: 'silu',
    tie_word_embeddings: config.tiedEmbeddings,
    attention_bias: false,
    mlp_bias: false,
    attention_dropout: 0,
    initializer_range: 0.02,
    pretraining_tp: 1,
    use_cache: true,
    bos_token_id: config.bosId,
    eos_token_id: config.eosId,
    torch_dtype: 'float32',
  };
}

const isOff = (value: unknown): boolean => value === undefined || value === null || value === false;
function isDefaultRotation(value: unknown): boolean {
  if (isOff(value)) return true;
  const { rope_type: type, type: older, factor } = value as Readonly<Record<string, unknown>>;
  return (type ?? older ?? (factor === undefined ? 'default' : 'scaled')) === 'default';
}

/** What would change the arithmetic if it were ignored. */
const plain: Readonly<Record<string, (value: unknown) => boolean>> = {
  rope_scaling: isDefaultRotation,
  attention_bias: isOff,
  mlp_bias: isOff,
  hidden_act: (value) => value === undefined || value === 'silu',
};

/** transformers 5 keeps both of them in `rope_parameters`. */
function newerRotation(json: object): object {
  const { rope_parameters: newer } = json as { readonly rope_parameters?: Readonly<Record<string, unknown>> };
  if (typeof newer !== 'object' || newer === null) return {};
  const { rope_theta: theta } = newer;
  return { rope_scaling: newer, ...(theta === undefined ? {} : { rope_theta: theta }) };
}

/** What names the tensors of each may trust the number. */
const mostLayers = 10_000;

const defaults = { rope_theta: 10_000, rms_norm_eps: 1e-6, bos_token_id: 0, eos_token_id: 0 } as const;

export function parseConfigJson(json: unknown): LlamaConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new FormatError('format_invalid', 'config.json is not an object.');
  }
  const said = Object.entries(json).filter(([, value]) => value !== null);
  const file: Record<string, unknown> = {
    ...defaults,
    ...Object.fromEntries(said),
    ...newerRotation(json),
  };
  // Models that end in several ways list them, the usual one first.
  if (Array.isArray(file['eos_token_id'])) [file['eos_token_id']] = file['eos_token_id'] as unknown[];
  if (file['model_type'] !== 'llama') {
    throw new FormatError(
      'format_unsupported',
      `config.json describes a ${JSON.stringify(file['model_type'])} model.`,
      'Only the Llama architecture can be read here.',
    );
  }
  for (const [name, isPlain] of Object.entries(plain))
    if (!isPlain(file[name]))
      throw new FormatError(
        'format_unsupported',
        `config.json: ${name} is ${JSON.stringify(file[name])}.`,
        'Scaled rotations, biases and other activations are not computed here.',
      );
  const number = (name: string, isAllowed: (value: number) => boolean): number => {
    const value = file[name];
    if (typeof value !== 'number' || !isAllowed(value)) {
      throw new FormatError('format_invalid', `config.json: ${name} is ${JSON.stringify(value)}.`);
    }
    return value;
  };
  const isCount = (value: number): boolean => Number.isInteger(value) && value > 0 && value < 2 ** 31;
  const isId = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < 2 ** 31;
  const heads = number('num_attention_heads', isCount);
  const width = number('hidden_size', isCount);
  const kvHeads = file['num_key_value_heads'] === undefined ? heads : number('num_key_value_heads', isCount);
  if (heads % kvHeads !== 0) {
    throw new FormatError(
      'format_invalid',
      `config.json: ${heads} heads do not divide by ${kvHeads} kv heads.`,
    );
  }
  const headWidth = file['head_dim'] === undefined ? width / heads : number('head_dim', isCount);
  if (!Number.isInteger(headWidth) || headWidth % 2 !== 0) {
    throw new FormatError('format_invalid', `config.json: a head of width ${headWidth} cannot be rotated.`);
  }
  return {
    vocabularySize: number('vocab_size', isCount),
    width,
    hidden: number('intermediate_size', isCount),
    layers: number('num_hidden_layers', (value) => isCount(value) && value <= mostLayers),
    heads,
    kvHeads,
    headWidth,
    contextLength: number('max_position_embeddings', isCount),
    ropeTheta: number('rope_theta', (value) => value > 0),
    normEpsilon: number('rms_norm_eps', (value) => value > 0),
    tiedEmbeddings: file['tie_word_embeddings'] === true,
    bosId: number('bos_token_id', isId),
    eosId: number('eos_token_id', isId),
  };
}
