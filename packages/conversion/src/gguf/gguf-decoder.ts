/** A decoder as its `config.json` describes it, in llama.cpp's words: where each tensor goes, and what the metadata says. */
import { FormatError, type BpeVocabulary, type GgufValue } from '@gantry/formats';
import type { Json } from '../decoder/config-count.ts';
import { llamaFamilies, type LlamaFamily } from '../decoder/llama-family.ts';
import type { WeightSource } from '../decoder/weight-source.ts';
import { gpt2Decoder } from './gpt2-gguf.ts';
import type { GgufPlace } from './gguf-place.ts';
import { llamaDecoder } from './llama-gguf.ts';

export interface GgufOptions {
  /** Shown by engines. */
  readonly name: string;
  /** What most weights are. */
  readonly weightType: 'F32' | 'F16' | 'BF16';
  readonly chatTemplate?: string;
}

export interface GgufDecoder {
  readonly places: readonly GgufPlace[];
  metadata(vocabulary: BpeVocabulary, options: GgufOptions): ReadonlyMap<string, GgufValue>;
}

/** Of the source only its names are asked. */
export function ggufDecoderOf(config: unknown, source: Pick<WeightSource, 'has'>): GgufDecoder {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new FormatError('format_invalid', 'config.json is not an object.');
  const json = config as Json;
  const family = json['model_type'];
  if (family === 'gpt2') return gpt2Decoder(json, source);
  if (typeof family === 'string' && Object.hasOwn(llamaFamilies, family))
    return llamaDecoder(family as LlamaFamily, json, source);
  throw new FormatError(
    'format_unsupported',
    `config.json describes a ${JSON.stringify(family)} model.`,
    `${[...Object.keys(llamaFamilies), 'gpt2'].join(', ')} go between safetensors and GGUF here.`,
  );
}
