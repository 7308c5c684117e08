/** A Llama-architecture model as GGUF: the metadata that llama.cpp reads, with a byte-level BPE tokenizer. */
import type { GgufHeader, GgufTensorType, GgufValue } from '../gguf/gguf-types.ts';
import type { BpeVocabulary } from '../tokenizer/tokenizer-json.ts';
import type { LlamaConfig } from './llama-config.ts';

/** llama.cpp's `llama_ftype`: what most weights are stored as. */
const fileTypes: Partial<Record<GgufTensorType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7, BF16: 32 };
const tokenTypes = { normal: 1, control: 3, userDefined: 4 } as const;

export interface LlamaGgufOptions {
  readonly name: string;
  /** Named by the file, not enforced by it. */
  readonly weightType?: GgufTensorType;
  readonly chatTemplate?: string;
}

export function llamaGgufMetadata(
  config: LlamaConfig,
  vocabulary: BpeVocabulary,
  options: LlamaGgufOptions,
): ReadonlyMap<string, GgufValue> {
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  const f32 = (value: number): GgufValue => ({ type: 'f32', value });
  const text = (value: string): GgufValue => ({ type: 'string', value });
  const texts = (values: readonly string[]): GgufValue => ({ type: 'array', of: 'string', values });
  const kinds = new Map(
    vocabulary.addedTokens.map(({ id, special }) => [
      id,
      special ? tokenTypes.control : tokenTypes.userDefined,
    ]),
  );
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', text('llama')],
    ['general.name', text(options.name)],
    ['general.file_type', u32(fileTypes[options.weightType ?? 'F32'] ?? 0)],
    ['general.quantization_version', u32(2)],
    ['llama.vocab_size', u32(config.vocabularySize)],
    ['llama.context_length', u32(config.contextLength)],
    ['llama.embedding_length', u32(config.width)],
    ['llama.block_count', u32(config.layers)],
    ['llama.feed_forward_length', u32(config.hidden)],
    ['llama.rope.dimension_count', u32(config.headWidth)],
    ['llama.rope.freq_base', f32(config.ropeTheta)],
    ['llama.attention.head_count', u32(config.heads)],
    ['llama.attention.head_count_kv', u32(config.kvHeads)],
    ['llama.attention.key_length', u32(config.headWidth)],
    ['llama.attention.value_length', u32(config.headWidth)],
    ['llama.attention.layer_norm_rms_epsilon', f32(config.normEpsilon)],
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text('gpt-2')],
    ['tokenizer.ggml.tokens', texts(vocabulary.tokens)],
    [
      'tokenizer.ggml.token_type',
      {
        type: 'array',
        of: 'i32',
        values: vocabulary.tokens.map((_, id) => kinds.get(id) ?? tokenTypes.normal),
      },
    ],
    ['tokenizer.ggml.merges', texts(vocabulary.merges.map(([left, right]) => `${left} ${right}`))],
    ['tokenizer.ggml.bos_token_id', u32(config.bosId)],
    ['tokenizer.ggml.eos_token_id', u32(config.eosId)],
    ['tokenizer.ggml.eot_token_id', u32(config.eosId)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
  ]);
  if (options.chatTemplate !== undefined) metadata.set('tokenizer.chat_template', text(options.chatTemplate));
  return metadata;
}

/** The tokenizer of a GGUF where it is a byte-level BPE that cuts text as GPT-2's does; other kinds are not written here. */
export function vocabularyOfGguf({ metadata }: Pick<GgufHeader, 'metadata'>): BpeVocabulary | undefined {
  const text = (key: string): string | undefined => {
    const value = metadata.get(`tokenizer.ggml.${key}`);
    return value?.type === 'string' ? value.value : undefined;
  };
  const texts = (key: string): readonly string[] | undefined => {
    const value = metadata.get(`tokenizer.ggml.${key}`);
    return value?.type === 'array' && value.of === 'string' ? value.values : undefined;
  };
  const tokens = texts('tokens');
  const merges = texts('merges');
  if (text('model') !== 'gpt2' || text('pre') !== 'gpt-2') return undefined;
  if (tokens === undefined || merges === undefined) return undefined;
  const types = metadata.get('tokenizer.ggml.token_type');
  const kinds = types?.type === 'array' && types.of === 'i32' ? types.values : [];
  return {
    tokens,
    merges: merges.map((merge): readonly [string, string] => {
      const [left = '', right = ''] = merge.split(' ');
      return [left, right];
    }),
    addedTokens: tokens.flatMap((content, id) => {
      const kind = kinds[id];
      const isSpecial = kind === tokenTypes.control;
      return isSpecial || kind === tokenTypes.userDefined ? [{ id, content, special: isSpecial }] : [];
    }),
  };
}
