/**
 * A GGUF with smaller weights. Matrices take the wanted type; norms stay as they are; embeddings and the
 * output head keep more bits than the rest, because every token passes through them; rows that fill no whole
 * block take the next type whose blocks they fill. The report says what became of each tensor and what it cost.
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

export type QuantisedType = 'F16' | 'Q8_0' | 'Q6_K' | 'Q5_K' | 'Q4_K' | 'Q4_0';

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
  /** Of embeddings and output head. */
  readonly ends: CodecType;
}

const schemes: Readonly<Record<QuantisedType, Scheme>> = {
  F16: { fileType: 1, ends: 'F16' },
  Q8_0: { fileType: 7, ends: 'Q8_0' },
  Q6_K: { fileType: 18, ends: 'Q6_K' },
  Q5_K: { fileType: 16, ends: 'Q6_K' },
  Q4_K: { fileType: 14, ends: 'Q6_K' },
  Q4_0: { fileType: 2, ends: 'Q8_0' },
};

export function quantiseGguf(file: Uint8Array, type: QuantisedType): QuantisedModel {
  const header = parseGguf(file);
  const metadata = new Map<string, GgufValue>(header.metadata);
  metadata.set('general.file_type', { type: 'u32', value: schemes[type].fileType });
  metadata.set('general.quantization_version', { type: 'u32', value: 2 });
  metadata.delete('general.alignment');
  const report: QuantisedTensor[] = [];
  const tensors = header.tensors.map((tensor) => {
    const data = file.subarray(tensor.offset, tensor.offset + tensor.bytes);
    const to = targetOf(tensor, type);
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

function targetOf({ name, shape }: GgufTensorPlace, type: QuantisedType): CodecType | undefined {
  if (shape.length < 2 || name.includes('norm')) return undefined;
  const isEnd = name === 'token_embd.weight' || name === 'output.weight';
  const row = shape.at(-1) ?? 0;
  const wishes: readonly CodecType[] = [isEnd ? schemes[type].ends : type, 'Q8_0', 'F16'];
  return wishes.find((wish) => row % tensorTypes[wish].blockValues === 0);
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
