/** Writes GGUF v3: a header first, so that tensors of any size can be streamed after it. */
import { createByteWriter, type ByteWriter } from '../byte-writer.ts';
import { FormatError } from '../format-error.ts';
import {
  arrayTypeCode,
  defaultAlignment,
  ggufMagic,
  scalarTypes,
  tensorBytes,
  tensorTypes,
  type GgufScalar,
  type GgufScalarType,
  type GgufTensor,
  type GgufTensorPlace,
  type GgufValue,
} from './gguf-types.ts';

export interface GgufLayout {
  /** Everything before the first tensor, padded. */
  readonly header: Uint8Array;
  /** Where each tensor's bytes go, in the order given; between them the file is zero. */
  readonly tensors: readonly GgufTensorPlace[];
  readonly fileBytes: number;
}

const encoder = new TextEncoder();

export function layoutGguf(
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensor[],
): GgufLayout {
  const writer = createByteWriter();
  writer.u32(ggufMagic);
  writer.u32(3);
  writer.u64(tensors.length);
  writer.u64(metadata.size);
  for (const [key, value] of metadata) {
    writeString(writer, key);
    writeValue(writer, value);
  }
  const places: (GgufTensor & { readonly relative: number; readonly bytes: number })[] = [];
  let relative = 0;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor.type, tensor.shape);
    if (bytes === undefined || tensor.shape.length < 1 || tensor.shape.length > 4) {
      throw new FormatError(
        'format_invalid',
        `The tensor ${tensor.name} of shape ${tensor.shape.join('x')} cannot be written as ${tensor.type}.`,
        'Rows must fill whole blocks; use F16 for it.',
      );
    }
    writeString(writer, tensor.name);
    writer.u32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) writer.u64(size);
    writer.u32(tensorTypes[tensor.type].code);
    writer.u64(relative);
    places.push({ ...tensor, relative, bytes });
    relative += Math.ceil(bytes / defaultAlignment) * defaultAlignment;
  }
  writer.align(defaultAlignment);
  const header = writer.finish();
  return {
    header,
    tensors: places.map(({ relative, ...place }) => ({ ...place, offset: header.byteLength + relative })),
    fileBytes: header.byteLength + relative,
  };
}

/** The whole file in memory; for large models stream with `layoutGguf`. */
export function writeGguf(
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly (GgufTensor & { readonly data: Uint8Array })[],
): Uint8Array {
  const layout = layoutGguf(metadata, tensors);
  const file = new Uint8Array(layout.fileBytes);
  file.set(layout.header);
  for (const [index, { data, name }] of tensors.entries()) {
    const place = layout.tensors[index] as GgufTensorPlace;
    if (data.byteLength !== place.bytes) {
      throw new FormatError(
        'format_invalid',
        `${name} has ${data.byteLength} bytes, its shape ${place.bytes}.`,
      );
    }
    file.set(data, place.offset);
  }
  return file;
}

function writeString(writer: ByteWriter, text: string): void {
  const bytes = encoder.encode(text);
  writer.u64(bytes.byteLength);
  writer.bytes(bytes);
}

function writeValue(writer: ByteWriter, value: GgufValue): void {
  if (value.type !== 'array') {
    writer.u32(scalarTypes[value.type].code);
    writeScalar(writer, value.type, value.value);
    return;
  }
  writer.u32(arrayTypeCode);
  writer.u32(scalarTypes[value.of].code);
  writer.u64(value.values.length);
  for (const item of value.values) writeScalar(writer, value.of, item);
}

function writeScalar(writer: ByteWriter, type: GgufScalarType, value: GgufScalar['value']): void {
  if (type === 'string') writeString(writer, value as string);
  else if (type === 'bool') writer.u8(value === true ? 1 : 0);
  else if (type === 'u64' || type === 'i64') writer[type](value as bigint);
  else writer[type](value as number);
}
