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

const defaults = { rope_theta: 10_000, rms_norm_eps: 1e-6, bos_token_id: 0, eos_token_id: 0 } as const;

export function parseConfigJson(json: unknown): LlamaConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new FormatError('format_invalid', 'config.json is not an object.');
  }
  const file: Record<string, unknown> = { ...defaults, ...json };
  if (file['model_type'] !== 'llama') {
    throw new FormatError(
      'format_unsupported',
      `config.json describes a ${JSON.stringify(file['model_type'])} model.`,
      'Only the Llama architecture can be read here.',
    );
  }
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
    layers: number('num_hidden_layers', isCount),
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
