/**
 * A GGUF with smaller weights. Matrices take the wanted type; norms stay as they are; embeddings and the
 * output head keep more bits than the rest, because every token passes through them; rows that fill no whole
 * block take the next type whose blocks they fill. Q2_K and the mixes `_M` give more bits to the values and the last
 * projections of some layers, as llama.cpp's of the same names do. The report says what became of each tensor and what it cost.
 */
import { weightTypes } from '@gantry/contract';
import {
  tensorTypes,
  type FilePieces,
  type GgufTensor,
  type GgufTensorType,
  type GgufValue,
} from '@gantry/formats';
import { ggufPieces, type LateGguf, type LateTensor } from '../gguf/late-gguf.ts';
import { decodeValues, encodeValues, hasCodec, type CodecType } from './blocks.ts';
import { RelativeError } from './relative-error.ts';

export type QuantisedType = Exclude<(typeof weightTypes.gguf)[number], 'F32' | 'BF16'>;
export const quantisedTypes = weightTypes.gguf.filter(
  (type): type is QuantisedType => type !== 'F32' && type !== 'BF16',
);

export interface QuantisedTensor {
  readonly name: string;
  readonly from: GgufTensorType;
  readonly to: GgufTensorType;
  /** Root of the mean squared error, relative to the weights' own root mean square. */
  readonly relativeError: number;
}

export interface QuantisedModel {
  readonly file: FilePieces;
  /** Of each tensor once its pieces are made: complete when the file is. */
  readonly tensors: readonly QuantisedTensor[];
}

interface Scheme {
  /** llama.cpp's `llama_ftype` of a file mostly of this type. */
  readonly fileType: number;
  /** Of the other matrices. */
  readonly most: CodecType;
  /** Of embeddings and output head. */
  readonly ends: CodecType;
  /** Of the sensitive matrices, where they get more bits. */
  readonly rich?: (place: SensitivePlace) => CodecType | undefined;
}

/** Where a matrix stands that suffers more than others. */
interface SensitivePlace {
  readonly role: 'attn_v' | 'attn_output' | 'ffn_down';
  readonly layer: number;
  readonly layers: number;
  /** Query heads that share a head of keys and values. */
  readonly sharers: number;
}

/** The first and the last eighth of the layers, and every third between (llama.cpp's `use_more_bits`). */
const sixBitsInSome = ({ role, layer, layers }: SensitivePlace): CodecType | undefined => {
  const eighth = Math.floor(layers / 8);
  const isChosen = layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
  return isChosen && role !== 'attn_output' ? 'Q6_K' : undefined;
};

/** llama.cpp's rules (`llama_tensor_get_type_impl`) for the mixes of the same names. */
const mixes = {
  Q2_K: ({ role, sharers }) => (role === 'attn_v' && sharers >= 4 ? 'Q4_K' : 'Q3_K'),
  Q3_K_M: ({ role, layer, layers }) => {
    const isFirst = { attn_v: layer < 2, ffn_down: layer < Math.floor(layers / 16), attn_output: false };
    return isFirst[role] ? 'Q5_K' : 'Q4_K';
  },
  Q4_K_M: sixBitsInSome,
  Q5_K_M: sixBitsInSome,
} as const satisfies Partial<Record<QuantisedType, Scheme['rich']>>;

const schemes: Readonly<Record<QuantisedType, Scheme>> = {
  F16: { fileType: 1, most: 'F16', ends: 'F16' },
  Q8_0: { fileType: 7, most: 'Q8_0', ends: 'Q8_0' },
  Q6_K: { fileType: 18, most: 'Q6_K', ends: 'Q6_K' },
  Q5_K_M: { fileType: 17, most: 'Q5_K', ends: 'Q6_K', rich: mixes.Q5_K_M },
  Q5_K: { fileType: 16, most: 'Q5_K', ends: 'Q6_K' },
  Q4_K_M: { fileType: 15, most: 'Q4_K', ends: 'Q6_K', rich: mixes.Q4_K_M },
  Q4_K: { fileType: 14, most: 'Q4_K', ends: 'Q6_K' },
  Q4_0: { fileType: 2, most: 'Q4_0', ends: 'Q8_0' },
  Q3_K_M: { fileType: 12, most: 'Q3_K', ends: 'Q6_K', rich: mixes.Q3_K_M },
  Q3_K: { fileType: 11, most: 'Q3_K', ends: 'Q6_K' },
  Q2_K: { fileType: 10, most: 'Q2_K', ends: 'Q6_K', rich: mixes.Q2_K },
};

export function quantiseGguf(source: LateGguf, type: QuantisedType): QuantisedModel {
  const metadata = new Map<string, GgufValue>(source.metadata);
  metadata.set('general.file_type', { type: 'u32', value: schemes[type].fileType });
  metadata.set('general.quantization_version', { type: 'u32', value: 2 });
  metadata.delete('general.alignment');
  const layers = 1 + Math.max(-1, ...source.tensors.map(({ name }) => layerOf(name) ?? -1));
  const model = { layers, sharers: sharersOf(source.metadata) };
  const report: QuantisedTensor[] = [];
  const tensors = source.tensors.map((tensor): LateTensor => {
    const { name, type: from } = tensor;
    const to = targetOf(tensor, schemes[type], model);
    if (to === undefined || !hasCodec(from) || to === from)
      return {
        ...tensor,
        *pieces() {
          yield* tensor.pieces();
          report.push({ name, from, to: from, relativeError: 0 });
        },
      };
    return {
      ...tensor,
      type: to,
      *pieces() {
        const error = new RelativeError();
        for (const piece of tensor.pieces()) {
          const values = decodeValues(from, piece);
          const encoded = encodeValues(to, values);
          error.addAll(values, decodeValues(to, encoded));
          yield encoded;
        }
        report.push({ name, from, to, relativeError: error.value });
      },
    };
  });
  return { file: ggufPieces({ metadata, tensors }), tensors: report };
}

function targetOf(
  { name, shape }: GgufTensor,
  { most, ends, rich }: Scheme,
  model: Pick<SensitivePlace, 'layers' | 'sharers'>,
): CodecType | undefined {
  if (shape.length < 2 || name.includes('norm')) return undefined;
  const isEnd = name === 'token_embd.weight' || name === 'output.weight';
  const role = roles.find((each) => name.endsWith(`.${each}.weight`));
  const more = role && rich?.({ role, layer: layerOf(name) ?? 0, ...model });
  const row = shape.at(-1) ?? 0;
  const wishes: readonly CodecType[] = [isEnd ? ends : (more ?? most), 'Q8_0', 'F16'];
  return wishes.find((wish) => row % tensorTypes[wish].blockValues === 0);
}

const roles = ['attn_v', 'attn_output', 'ffn_down'] as const satisfies readonly SensitivePlace['role'][];

function layerOf(name: string): number | undefined {
  const [, layer] = /^blk\.(\d+)\./.exec(name) ?? [];
  return layer === undefined ? undefined : Number(layer);
}

function sharersOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const countOf = (key: string): number => {
    const name = metadata.get('general.architecture');
    const found = metadata.get(`${name?.type === 'string' ? name.value : 'llama'}.attention.${key}`);
    return found?.type === 'u32' ? found.value : 1;
  };
  return countOf('head_count') / countOf('head_count_kv');
}
