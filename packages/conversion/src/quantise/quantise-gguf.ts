/**
 * A GGUF with smaller weights. Matrices take the wanted type; norms stay as they are; embeddings and the
 * output head keep 8 bits when the rest takes 4, because every token passes through them; rows that fill no
 * whole block become half precision. The report says what became of each tensor and what it cost.
 */
import {
  parseGguf,
  writeGguf,
  type GgufTensorPlace,
  type GgufTensorType,
  type GgufValue,
} from '@gantry/formats';
import { decodeValues, encodeValues, hasCodec, type CodecType } from './blocks.ts';

export type QuantisedType = 'F16' | 'Q8_0' | 'Q4_0';

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

/** llama.cpp's `llama_ftype` of a file mostly of this type. */
const fileTypes: Readonly<Record<QuantisedType, number>> = { F16: 1, Q8_0: 7, Q4_0: 2 };

export function quantiseGguf(file: Uint8Array, type: QuantisedType): QuantisedModel {
  const header = parseGguf(file);
  const metadata = new Map<string, GgufValue>(header.metadata);
  metadata.set('general.file_type', { type: 'u32', value: fileTypes[type] });
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
  if ((shape.at(-1) ?? 0) % 32 !== 0) return 'F16';
  const isEnd = name === 'token_embd.weight' || name === 'output.weight';
  return isEnd && type === 'Q4_0' ? 'Q8_0' : type;
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
