/** A GPT-2 as GGUF: the metadata that llama.cpp reads. */
import type { GgufValue } from '../gguf/gguf-types.ts';
import type { BpeVocabulary } from '../tokenizer/tokenizer-json.ts';
import type { LlamaConfig } from './llama-config.ts';
import { generalMetadata, type LlamaGgufOptions } from './llama-gguf.ts';

export type Gpt2Config = Pick<
  LlamaConfig,
  | 'vocabularySize'
  | 'contextLength'
  | 'width'
  | 'hidden'
  | 'layers'
  | 'heads'
  | 'normEpsilon'
  | 'bosId'
  | 'eosId'
>;

export function gpt2GgufMetadata(
  config: Gpt2Config,
  vocabulary: BpeVocabulary,
  options: LlamaGgufOptions,
): ReadonlyMap<string, GgufValue> {
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  return new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: 'gpt2' }],
    ...generalMetadata(config, vocabulary, options),
    ['gpt2.context_length', u32(config.contextLength)],
    ['gpt2.embedding_length', u32(config.width)],
    ['gpt2.feed_forward_length', u32(config.hidden)],
    ['gpt2.block_count', u32(config.layers)],
    ['gpt2.attention.head_count', u32(config.heads)],
    ['gpt2.attention.layer_norm_epsilon', { type: 'f32', value: config.normEpsilon }],
  ]);
}
