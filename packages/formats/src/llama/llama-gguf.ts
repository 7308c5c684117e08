/** A Llama-architecture model as GGUF: the metadata that llama.cpp reads, with its tokenizer. */
import type { GgufTensorType, GgufValue } from '../gguf/gguf-types.ts';
import { tokenizerMetadata } from '../tokenizer/tokenizer-gguf.ts';
import type { BpeVocabulary } from '../tokenizer/tokenizer-json.ts';
import type { LlamaConfig } from './llama-config.ts';

/** llama.cpp's `llama_ftype`: what most weights are stored as. */
const fileTypes: Partial<Record<GgufTensorType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7, BF16: 32 };

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
  return new Map<string, GgufValue>([
    ['general.architecture', text('llama')],
    ...generalMetadata(config, vocabulary, options),
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
  ]);
}

const u32 = (value: number): GgufValue => ({ type: 'u32', value });
const f32 = (value: number): GgufValue => ({ type: 'f32', value });
const text = (value: string): GgufValue => ({ type: 'string', value });

/** What every architecture says: its name, what its weights are, and its tokenizer. */
export function generalMetadata(
  { vocabularySize, bosId, eosId }: Pick<LlamaConfig, 'vocabularySize' | 'bosId' | 'eosId'>,
  vocabulary: BpeVocabulary,
  { name, weightType = 'F32', chatTemplate }: LlamaGgufOptions,
): readonly (readonly [string, GgufValue])[] {
  return [
    ['general.name', text(name)],
    ['general.file_type', u32(fileTypes[weightType] ?? 0)],
    ['general.quantization_version', u32(2)],
    ...tokenizerMetadata(vocabulary, vocabularySize),
    // What the tokenizer puts before a text, where it puts something.
    ['tokenizer.ggml.bos_token_id', u32(vocabulary.startId ?? bosId)],
    ['tokenizer.ggml.eos_token_id', u32(eosId)],
    ['tokenizer.ggml.eot_token_id', u32(eosId)],
    ...(chatTemplate === undefined ? [] : [['tokenizer.chat_template', text(chatTemplate)] as const]),
  ];
}
