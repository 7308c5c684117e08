/**
 * A GGUF with smaller weights. Matrices take the wanted type; norms stay as they are; embeddings and the
 * output head keep more bits than the rest, because every token passes through them; rows that fill no whole
 * block take the next type whose blocks they fill. The mixes `_M` give more bits to the values and the last
 * projections of some layers, as llama.cpp's of the same names do. The report says what became of each tensor and what it cost.
 */
import {
  parseGguf,
  tensorTypes,
  writeGguf,
  type GgufTensorPlace,
  type GgufTensorType,
  type GgufValue,
} from '@gantry/formats';
import { decodeValues, encodeValues, hasCodec, type CodecType } from './blocks.ts';

export const quantisedTypes = ['F16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q5_K', 'Q4_K_M', 'Q4_K', 'Q4_0'] as const;
export type QuantisedType = (typeof quantisedTypes)[number];

export interface QuantisedTensor {
  readonly name: string;
  readonly from: GgufTensorType;
  readonly to: GgufTensorType;
  /** Root of the mean squared error, relative to the weights' own root mean square. */
  readonly relativeError: number;
}

export interface QuantisedModel {
  readonly file: Uint8Array;
  readonly tensors: readonly QuantisedTensor[];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

interface Scheme {
  /** llama.cpp's `llama_ftype` of a file mostly of this type. */
  readonly fileType: number;
  /** Of the other matrices. */
  readonly most: CodecType;
  /** Of embeddings and output head. */
  readonly ends: CodecType;
  /** Of the sensitive matrices of the layers that get more bits. */
  readonly rich?: CodecType;
}

const schemes: Readonly<Record<QuantisedType, Scheme>> = {
  F16: { fileType: 1, most: 'F16', ends: 'F16' },
  Q8_0: { fileType: 7, most: 'Q8_0', ends: 'Q8_0' },
  Q6_K: { fileType: 18, most: 'Q6_K', ends: 'Q6_K' },
  Q5_K_M: { fileType: 17, most: 'Q5_K', ends: 'Q6_K', rich: 'Q6_K' },
  Q5_K: { fileType: 16, most: 'Q5_K', ends: 'Q6_K' },
  Q4_K_M: { fileType: 15, most: 'Q4_K', ends: 'Q6_K', rich: 'Q6_K' },
  Q4_K: { fileType: 14, most: 'Q4_K', ends: 'Q6_K' },
  Q4_0: { fileType: 2, most: 'Q4_0', ends: 'Q8_0' },
};

export function quantiseGguf(file: Uint8Array, type: QuantisedType): QuantisedModel {
  const header = parseGguf(file);
  const metadata = new Map<string, GgufValue>(header.metadata);
  metadata.set('general.file_type', { type: 'u32', value: schemes[type].fileType });
  metadata.set('general.quantization_version', { type: 'u32', value: 2 });
  metadata.delete('general.alignment');
  const layers = 1 + Math.max(-1, ...header.tensors.map(({ name }) => layerOf(name) ?? -1));
  const report: QuantisedTensor[] = [];
  const tensors = header.tensors.map((tensor) => {
    const data = file.subarray(tensor.offset, tensor.offset + tensor.bytes);
    const to = targetOf(tensor, schemes[type], layers);
    if (to === undefined || !hasCodec(tensor.type) || to === tensor.type) {
      report.push({ name: tensor.name, from: tensor.type, to: tensor.type, relativeError: 0 });
      return { name: tensor.name, shape: tensor.shape, type: tensor.type, data };
    }
    const values = decodeValues(tensor.type, data);
    const encoded = encodeValues(to, values);
    const relativeError = errorOf(values, decodeValues(to, encoded));
    report.push({ name: tensor.name, from: tensor.type, to, relativeError });
    return { name: tensor.name, shape: tensor.shape, type: to, data: encoded };
  });
  const written = writeGguf(metadata, tensors);
  return { file: written, tensors: report, bytesBefore: file.byteLength, bytesAfter: written.byteLength };
}

function targetOf(
  { name, shape }: GgufTensorPlace,
  { most, ends, rich = most }: Scheme,
  layers: number,
): CodecType | undefined {
  if (shape.length < 2 || name.includes('norm')) return undefined;
  const isEnd = name === 'token_embd.weight' || name === 'output.weight';
  const isRich = /\.(attn_v|ffn_down)\.weight$/.test(name) && hasMoreBits(layerOf(name) ?? 0, layers);
  const row = shape.at(-1) ?? 0;
  const wishes: readonly CodecType[] = [isEnd ? ends : isRich ? rich : most, 'Q8_0', 'F16'];
  return wishes.find((wish) => row % tensorTypes[wish].blockValues === 0);
}

function layerOf(name: string): number | undefined {
  const [, layer] = /^blk\.(\d+)\./.exec(name) ?? [];
  return layer === undefined ? undefined : Number(layer);
}

/** The first and the last eighth of the layers, and every third between (llama.cpp's `use_more_bits`). */
function hasMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

function errorOf(values: Float32Array, restored: Float32Array): number {
  let error = 0;
  let size = 0;
  for (let i = 0; i < values.length; i += 1) {
    error += ((values[i] as number) - (restored[i] as number)) ** 2;
    size += (values[i] as number) ** 2;
  }
  return size === 0 ? 0 : Math.sqrt(error / size);
}
