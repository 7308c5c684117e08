/** `config.json` of what a GGUF's metadata describes. */
import { FormatError, parseConfigJson, toConfigJson, type GgufHeader } from '@gantry/formats';
import type { Json } from '../decoder/config-count.ts';

type Find = (key: string) => number | undefined;

/** By `general.architecture`. */
const readers: Readonly<Record<string, (find: Find, header: GgufHeader) => Json>> = {
  llama: (find, header) => {
    const experts = find('llama.expert_count') ?? 0;
    const json = llamaJson('llama', find, header);
    if (experts > 0)
      return {
        ...json,
        architectures: ['MixtralForCausalLM'],
        model_type: 'mixtral',
        num_local_experts: experts,
        num_experts_per_tok: find('llama.expert_used_count'),
      };
    const hasAny = (...names: readonly string[]): boolean =>
      header.tensors.some((tensor) => names.some((name) => tensor.name === `blk.0.${name}.bias`));
    // Hugging Face's Llama has biases on all or on none: one that its file lacks begins, and stays, at zero.
    return {
      ...json,
      attention_bias: hasAny('attn_q', 'attn_k', 'attn_v', 'attn_output'),
      mlp_bias: hasAny('ffn_gate', 'ffn_up', 'ffn_down'),
    };
  },
  qwen2: (find, header) => ({
    ...llamaJson('qwen2', find, header),
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    use_sliding_window: false,
  }),
  gpt2: (find, header) => ({
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: rowsOfEmbedding(header),
    n_embd: find('gpt2.embedding_length'),
    n_layer: find('gpt2.block_count'),
    n_head: find('gpt2.attention.head_count'),
    n_inner: find('gpt2.feed_forward_length'),
    n_positions: find('gpt2.context_length'),
    n_ctx: find('gpt2.context_length'),
    activation_function: 'gelu_new',
    layer_norm_epsilon: shortestDecimal(find('gpt2.attention.layer_norm_epsilon') ?? 1e-5),
    tie_word_embeddings: isTied(header),
    ...endsOf(find),
    torch_dtype: 'float32',
  }),
};

export function configOfGguf(header: GgufHeader): Json {
  const architecture = header.metadata.get('general.architecture');
  const name = architecture?.type === 'string' ? architecture.value : '';
  const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
  if (reader === undefined)
    throw new FormatError(
      'format_unsupported',
      `The GGUF is of the architecture ${JSON.stringify(name.slice(0, 80))}.`,
      `${Object.keys(readers).join(', ')} are read here.`,
    );
  return reader((key) => {
    const value = header.metadata.get(key);
    return value !== undefined && 'value' in value && typeof value.value === 'number'
      ? value.value
      : undefined;
  }, header);
}

function llamaJson(prefix: string, find: Find, header: GgufHeader): Json {
  const number = (key: string): number => {
    const value = find(`${prefix}.${key}`);
    if (value === undefined) throw new FormatError('format_invalid', `The GGUF has no ${prefix}.${key}.`);
    return value;
  };
  if (header.metadata.has(`${prefix}.rope.scaling.type`))
    refuseScaling(header, `${prefix}.rope.scaling.type`);
  const heads = number('attention.head_count');
  const width = number('embedding_length');
  const config = parseConfigJson({
    model_type: 'llama',
    vocab_size: rowsOfEmbedding(header),
    hidden_size: width,
    intermediate_size: number('feed_forward_length'),
    num_hidden_layers: number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: find(`${prefix}.attention.head_count_kv`) ?? heads,
    head_dim: find(`${prefix}.attention.key_length`) ?? width / heads,
    max_position_embeddings: number('context_length'),
    rope_theta: shortestDecimal(find(`${prefix}.rope.freq_base`) ?? 10_000),
    rms_norm_eps: shortestDecimal(number('attention.layer_norm_rms_epsilon')),
    tie_word_embeddings: isTied(header),
    ...endsOf(find),
  });
  return toConfigJson(config);
}

function refuseScaling({ metadata }: GgufHeader, key: string): void {
  const value = metadata.get(key);
  if (value?.type === 'string' && value.value === 'none') return;
  throw new FormatError(
    'format_unsupported',
    `The GGUF's ${key} is ${JSON.stringify(value !== undefined && 'value' in value ? String(value.value) : '')}.`,
    'Scaled rotations are not computed here.',
  );
}

const endsOf = (find: Find): Json => ({
  bos_token_id: find('tokenizer.ggml.bos_token_id') ?? 0,
  eos_token_id: find('tokenizer.ggml.eos_token_id') ?? 0,
});

const rowsOfEmbedding = ({ tensors }: GgufHeader): number | undefined =>
  tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];

const isTied = ({ tensors }: GgufHeader): boolean => !tensors.some(({ name }) => name === 'output.weight');

/** The number as people wrote it before it was kept in single precision: 1e-5, not 0.000009999999747378752. */
function shortestDecimal(single: number): number {
  for (let digits = 1; digits <= 9; digits += 1) {
    const candidate = Number(single.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(single)) return candidate;
  }
  return single;
}
