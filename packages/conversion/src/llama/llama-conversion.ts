/** The same Llama-architecture model as Hugging Face files and as GGUF: names, rotary order and head tying. */
import {
  FormatError,
  llamaGgufMetadata,
  llamaTensors,
  parseConfigJson,
  parseGguf,
  parseTokenizerJson,
  toHalvedRotary,
  toInterleavedRotary,
  toTokenizerJson,
  vocabularyOfGguf,
  writeGguf,
  writeSafetensors,
  type GgufHeader,
  type LlamaConfig,
} from '@gantry/formats';
import { type FileBytes, safetensorsSource, type WeightSource } from '../decoder/weight-source.ts';
import { decodeValues, encodeValues, hasCodec } from '../quantise/blocks.ts';

export interface HuggingFaceModel {
  /** One file, or the shards of one model. */
  readonly safetensors: readonly (FileBytes | Uint8Array)[];
  /** `config.json` and `tokenizer.json`, parsed. */
  readonly config: unknown;
  readonly tokenizer: unknown;
  readonly name: string;
  readonly chatTemplate?: string;
}

/** Matrices are written as `type`, norms in full precision. */
export function safetensorsToGguf(model: HuggingFaceModel, type: 'F32' | 'F16' | 'BF16' = 'F32'): Uint8Array {
  const { config, source } = openHuggingFace(model);
  const tensors = llamaTensors(config).map(({ huggingFaceName, ggufName, shape, rotaryHeads }) => {
    const values = source.read(huggingFaceName, shape);
    const ordered =
      rotaryHeads === undefined ? values : toInterleavedRotary(values, rotaryHeads, shape[0] ?? 0);
    const to = shape.length === 1 ? 'F32' : type;
    return { name: ggufName, shape, type: to, data: encodeValues(to, ordered) } as const;
  });
  const metadata = llamaGgufMetadata(config, parseTokenizerJson(model.tokenizer), {
    name: model.name,
    weightType: type,
    ...(model.chatTemplate === undefined ? {} : { chatTemplate: model.chatTemplate }),
  });
  return writeGguf(metadata, tensors);
}

/** Checks every weight that the configuration names before the first is read. */
function openHuggingFace({ safetensors, config: json }: Pick<HuggingFaceModel, 'safetensors' | 'config'>): {
  readonly config: LlamaConfig;
  readonly source: WeightSource;
} {
  const source = safetensorsSource(safetensors);
  const declared = parseConfigJson(json);
  const tiedEmbeddings = declared.tiedEmbeddings || !source.has('lm_head.weight');
  const config: LlamaConfig = { ...declared, tiedEmbeddings };
  for (const { huggingFaceName, shape } of llamaTensors(config)) source.check(huggingFaceName, shape);
  return { config, source };
}

/** Weights in full precision under their Hugging Face names, and what `config.json` says of them. */
export function ggufToSafetensors(file: Uint8Array): {
  readonly safetensors: Uint8Array;
  readonly config: LlamaConfig;
  /** Absent where the file's is none that `tokenizer.json` is written for here. */
  readonly tokenizer: Record<string, unknown> | undefined;
} {
  const header = parseGguf(file);
  const config = configOfGguf(header);
  const places = new Map(header.tensors.map((place) => [place.name, place]));
  const tensors = llamaTensors(config).map(({ huggingFaceName, ggufName, shape, rotaryHeads }) => {
    const place = places.get(ggufName);
    if (place === undefined || place.shape.join() !== shape.join()) {
      throw new FormatError('format_invalid', `${ggufName} is ${place?.shape.join('x') ?? 'missing'}.`);
    }
    if (!hasCodec(place.type)) {
      throw new FormatError(
        'format_unsupported',
        `${ggufName} is ${place.type}.`,
        'Convert from a less quantised file.',
      );
    }
    const values = decodeValues(place.type, file.subarray(place.offset, place.offset + place.bytes));
    const halved = rotaryHeads === undefined ? values : toHalvedRotary(values, rotaryHeads, shape[0] ?? 0);
    return { name: huggingFaceName, dtype: 'F32', shape, data: encodeValues('F32', halved) } as const;
  });
  const vocabulary = vocabularyOfGguf(header);
  return {
    safetensors: writeSafetensors(tensors, { format: 'pt' }),
    config,
    tokenizer: vocabulary && toTokenizerJson(vocabulary),
  };
}

export function configOfGguf(header: GgufHeader): LlamaConfig {
  const architecture = header.metadata.get('general.architecture');
  if (architecture?.type !== 'string' || architecture.value !== 'llama') {
    throw new FormatError('format_unsupported', 'The GGUF is not of the llama architecture.');
  }
  const find = (key: string): number | undefined => {
    const value = header.metadata.get(key);
    return typeof value?.type === 'string' && 'value' in value && typeof value.value === 'number'
      ? value.value
      : undefined;
  };
  const number = (key: string): number => {
    const value = find(key);
    if (value === undefined) throw new FormatError('format_invalid', `The GGUF has no ${key}.`);
    return value;
  };
  const embedding = header.tensors.find(({ name }) => name === 'token_embd.weight');
  const heads = number('llama.attention.head_count');
  const width = number('llama.embedding_length');
  return parseConfigJson({
    model_type: 'llama',
    vocab_size: embedding?.shape[0],
    hidden_size: width,
    intermediate_size: number('llama.feed_forward_length'),
    num_hidden_layers: number('llama.block_count'),
    num_attention_heads: heads,
    num_key_value_heads: find('llama.attention.head_count_kv') ?? heads,
    head_dim: find('llama.attention.key_length') ?? width / heads,
    max_position_embeddings: number('llama.context_length'),
    rope_theta: shortestDecimal(find('llama.rope.freq_base') ?? 10_000),
    rms_norm_eps: shortestDecimal(number('llama.attention.layer_norm_rms_epsilon')),
    tie_word_embeddings: !header.tensors.some(({ name }) => name === 'output.weight'),
    bos_token_id: find('tokenizer.ggml.bos_token_id') ?? 0,
    eos_token_id: find('tokenizer.ggml.eos_token_id') ?? 0,
  });
}

/** The number as people wrote it before it was kept in single precision: 1e-5, not 0.000009999999747378752. */
function shortestDecimal(single: number): number {
  for (let digits = 1; digits <= 9; digits += 1) {
    const candidate = Number(single.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(single)) return candidate;
  }
  return single;
}
