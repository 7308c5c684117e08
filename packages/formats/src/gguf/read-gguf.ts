/**
 * Reads the header of a GGUF v2 or v3 file. The bytes are untrusted: every count is checked against what
 * the file could hold before anything of that size is made, and every tensor must lie inside the file.
 */
import { createByteReader, type ByteReader } from '../byte-reader.ts';
import { FormatError } from '../format-error.ts';
import {
  arrayTypeCode,
  defaultAlignment,
  ggufMagic,
  scalarTypes,
  tensorBytes,
  tensorTypes,
  type GgufArray,
  type GgufHeader,
  type GgufScalar,
  type GgufScalarType,
  type GgufTensorPlace,
  type GgufTensorType,
  type GgufValue,
} from './gguf-types.ts';

const limits = { keys: 65_536, keyLength: 65_535, tensors: 65_536, nameLength: 64, dimensions: 4 } as const;

/** What lies above is damage: versions are counted by ones since 2023. */
const mostVersion = 0xffff;

const scalarByCode = new Map(
  Object.entries(scalarTypes).map(([type, { code }]) => [code, type as GgufScalarType]),
);
const tensorByCode = new Map(
  Object.entries(tensorTypes).map(([type, { code }]) => [code, type as GgufTensorType]),
);
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `bytes` holds at least the header; `fileBytes` is the size of the whole file when it is larger. */
export function parseGguf(bytes: Uint8Array, fileBytes: number = bytes.byteLength): GgufHeader {
  const reader = createByteReader(bytes);
  if (reader.u32() !== ggufMagic) {
    throw new FormatError('format_invalid', 'The file does not begin with GGUF.', 'Is it a GGUF model?');
  }
  const version = reader.u32();
  if (version > mostVersion) {
    throw new FormatError(
      'format_invalid',
      `${version} is no version of GGUF.`,
      'The file is damaged, or of a machine with the other byte order.',
    );
  }
  if (version !== 2 && version !== 3) {
    throw new FormatError(
      'format_unsupported',
      `GGUF version ${version} is not read.`,
      'Versions 2 and 3 are.',
    );
  }
  const tensorCount = reader.count('tensors', limits.tensors);
  const keyCount = reader.count('metadata keys', limits.keys);
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < keyCount; index += 1) {
    const key = readString(reader, limits.keyLength);
    if (metadata.has(key))
      throw new FormatError('format_invalid', `The key ${JSON.stringify(key)} occurs twice.`);
    metadata.set(key, readValue(reader));
  }
  const alignment = readAlignment(metadata);
  const infos: (Omit<GgufTensorPlace, 'offset'> & { readonly relative: number })[] = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index += 1) {
    const info = readTensorInfo(reader, fileBytes);
    if (names.has(info.name))
      throw new FormatError('format_invalid', `The tensor ${info.name} occurs twice.`);
    names.add(info.name);
    infos.push(info);
  }
  const dataOffset = Math.ceil(reader.offset / alignment) * alignment;
  const tensors = infos.map(({ relative, ...info }): GgufTensorPlace => {
    const offset = dataOffset + relative;
    if (relative % alignment !== 0) {
      throw new FormatError(
        'format_invalid',
        `The tensor ${info.name} is not aligned to ${alignment} bytes.`,
      );
    }
    if (offset + info.bytes > fileBytes) {
      throw new FormatError(
        'format_truncated',
        `The tensor ${info.name} ends at byte ${offset + info.bytes}, the file at ${fileBytes}.`,
        'Copy or download the file again.',
      );
    }
    return { ...info, offset };
  });
  return { version, metadata, tensors, alignment };
}

function readString(reader: ByteReader, limit: number): string {
  const bytes = reader.bytes(reader.count('bytes of text', Math.min(limit, Number.MAX_SAFE_INTEGER)));
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FormatError('format_invalid', 'A text in the header is not UTF-8.', undefined, cause);
  }
}

function readValue(reader: ByteReader): GgufValue {
  const code = reader.u32();
  if (code !== arrayTypeCode) return readScalar(reader, typeOf(code));
  const of = typeOf(reader.u32());
  // Each value takes its least bytes, so a claimed length beyond the file fails here, before any array exists.
  const length = reader.count('array values', Math.floor(reader.remaining / scalarTypes[of].bytes));
  const values: unknown[] = [];
  for (let index = 0; index < length; index += 1) values.push(readScalar(reader, of).value);
  return { type: 'array', of, values } as GgufArray;
}

function typeOf(code: number): GgufScalarType {
  const type = scalarByCode.get(code);
  if (type === undefined) {
    throw new FormatError('format_unsupported', `A metadata value has type ${code}, which is not known.`);
  }
  return type;
}

function readScalar(reader: ByteReader, type: GgufScalarType): GgufScalar {
  switch (type) {
    case 'string':
      return { type, value: readString(reader, reader.remaining) };
    case 'bool':
      return { type, value: reader.u8() !== 0 };
    case 'u64':
    case 'i64':
      return { type, value: reader[type]() };
    default:
      return { type, value: reader[type]() };
  }
}

function readAlignment(metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get('general.alignment');
  if (value === undefined) return defaultAlignment;
  if (value.type !== 'u32' || value.value < 8 || value.value > 65_536 || value.value % 8 !== 0) {
    throw new FormatError('format_invalid', 'general.alignment is not a multiple of 8 up to 65536.');
  }
  return value.value;
}

function readTensorInfo(
  reader: ByteReader,
  fileBytes: number,
): Omit<GgufTensorPlace, 'offset'> & { readonly relative: number } {
  const name = readString(reader, limits.nameLength);
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > limits.dimensions) {
    throw new FormatError(
      'format_limit',
      `The tensor ${name} has ${dimensions} dimensions; 1 to 4 are read.`,
    );
  }
  const shape: number[] = [];
  let values = 1;
  for (let index = 0; index < dimensions; index += 1) {
    const size = reader.count('values along a dimension', 2 ** 40);
    values *= size;
    shape.unshift(size);
  }
  // No type takes less than a quarter of a byte a value.
  if (values === 0 || values > fileBytes * 4) {
    throw new FormatError(
      'format_limit',
      `The tensor ${name} has ${values} values, which the file cannot hold.`,
    );
  }
  const code = reader.u32();
  const type = tensorByCode.get(code);
  if (type === undefined)
    throw new FormatError('format_unsupported', `The tensor ${name} has unknown type ${code}.`);
  const bytes = tensorBytes(type, shape);
  if (bytes === undefined) {
    throw new FormatError('format_invalid', `The rows of ${name} do not fill whole ${type} blocks.`);
  }
  return { name, shape, type, bytes, relative: reader.count('bytes of offset', fileBytes) };
}
