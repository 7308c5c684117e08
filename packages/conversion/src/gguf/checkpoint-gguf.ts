/** Hugging Face's files → a GGUF, piece by piece. */
import { FormatError, parseTokenizerJson } from '@gantry/formats';
import { type FileBytes, safetensorsSource } from '../decoder/weight-source.ts';
import { encodeValues } from '../quantise/blocks.ts';
import { ggufDecoderOf } from './gguf-decoder.ts';
import { type GgufPlace, ggufStrips } from './gguf-place.ts';
import type { LateGguf } from './late-gguf.ts';

export interface HuggingFaceModel {
  /** One file, or the shards of one model. */
  readonly safetensors: readonly (FileBytes | Uint8Array)[];
  /** `config.json` and `tokenizer.json`, parsed. */
  readonly config: unknown;
  readonly tokenizer: unknown;
  readonly name: string;
  readonly chatTemplate?: string;
}

/** Not weights, or weights that the rest tells again. */
const isLeftOut = (name: string): boolean =>
  /\.rotary_emb\.inv_freq$|\.attn\.(masked_)?bias$|^lm_head\.weight$/.test(name);

/**
 * Matrices are written as `type`, what is added and the norms in full precision. Every weight that the configuration
 * names is checked before the first is read, and none may be left over.
 */
export function checkpointToGguf(
  { safetensors, config, tokenizer, name, chatTemplate }: HuggingFaceModel,
  type: 'F32' | 'F16' | 'BF16' = 'F32',
): LateGguf {
  const source = safetensorsSource(safetensors);
  const decoder = ggufDecoderOf(config, source);
  const isThere = ({ parts, isOptional }: GgufPlace): boolean =>
    isOptional !== true || parts.every((part) => source.has(part.name));
  const places = decoder.places.filter(isThere);
  const read = new Set<string>();
  for (const part of places.flatMap(({ parts }) => parts)) {
    source.check(part.name, part.shape);
    read.add(part.name);
  }
  for (const each of source.names)
    if (!read.has(each) && !isLeftOut(each))
      throw new FormatError(
        'format_unsupported',
        `${each} has no place in a model as config.json describes it.`,
        'Without it the model would answer otherwise.',
      );
  const metadata = decoder.metadata(parseTokenizerJson(tokenizer), {
    name,
    weightType: type,
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  });
  return {
    metadata,
    tensors: places.map((place) => {
      const to = place.shape.length === 1 || place.isPlain === true ? 'F32' : type;
      return {
        name: place.ggufName,
        shape: place.shape,
        type: to,
        *pieces() {
          for (const strip of ggufStrips(place, source)) yield encodeValues(to, strip);
        },
      };
    }),
  };
}
