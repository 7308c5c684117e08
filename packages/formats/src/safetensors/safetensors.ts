/**
 * safetensors (huggingface/safetensors, README "Format"): u64 header length, JSON header, data. We pad the
 * header so that data starts 64-byte aligned and can be read straight into tensor memory. Reading trusts
 * nothing: offsets must tile the data area without hole or overlap, and sizes must agree with shapes.
 */
import { createByteReader } from '../byte-reader.ts';
import { FormatError } from '../format-error.ts';
import { countKeys } from './json-keys.ts';

export const safetensorTypes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type SafetensorType = keyof typeof safetensorTypes;

export interface SafetensorInfo {
  readonly name: string;
  readonly dtype: SafetensorType;
  readonly shape: readonly number[];
}

export interface SafetensorPlace extends SafetensorInfo {
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  readonly tensors: readonly SafetensorPlace[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the data begins. */
  readonly dataOffset: number;
}

const maximumHeaderBytes = 100_000_000;
const dataAlignment = 64;

/** `bytes` holds at least the header; `fileBytes` is the size of the whole file when it is larger. */
export function parseSafetensors(bytes: Uint8Array, fileBytes: number = bytes.byteLength): SafetensorsHeader {
  const reader = createByteReader(bytes);
  const headerBytes = reader.count('bytes of header', maximumHeaderBytes);
  const dataOffset = 8 + headerBytes;
  const header = parseHeader(reader.bytes(headerBytes));
  const { __metadata__: rawMetadata, ...entries } = header;
  const tensors = Object.entries(entries).map(([name, entry]) => readEntry(name, entry, dataOffset));
  tensors.sort((one, other) => one.offset - other.offset || one.bytes - other.bytes);
  let end = dataOffset;
  for (const tensor of tensors) {
    if (tensor.offset !== end) invalid(`tensor ${tensor.name} leaves a hole or overlaps the one before`);
    end += tensor.bytes;
  }
  if (end > fileBytes) {
    throw new FormatError(
      'format_truncated',
      `The tensors end at byte ${end}, the file at ${fileBytes}.`,
      'Copy or download the file again.',
    );
  }
  if (end < fileBytes) invalid(`${fileBytes - end} bytes follow the last tensor`);
  return { tensors, metadata: readMetadata(rawMetadata), dataOffset };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) invalid('the header does not begin with {');
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw new FormatError('format_invalid', 'The safetensors header is not JSON.', undefined, cause);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    invalid('the header is not an object');
  if (countKeys(text) !== Object.keys(header).length) invalid('a name occurs twice in the header');
  return header as Record<string, unknown>;
}

function readEntry(name: string, entry: unknown, dataOffset: number): SafetensorPlace {
  if (typeof entry !== 'object' || entry === null) invalid(`tensor ${name} is not described`);
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(safetensorTypes, dtype)) {
    throw new FormatError('format_unsupported', `Tensor ${name} has dtype ${JSON.stringify(dtype)}.`);
  }
  if (!isCounts(shape) || shape.length > 16) invalid(`tensor ${name} has no usable shape`);
  if (!isCounts(offsets) || offsets.length !== 2) invalid(`tensor ${name} has no data_offsets`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, safetensorTypes[dtype as SafetensorType]);
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes) {
    invalid(`tensor ${name} of shape ${shape.join('x')} has ${end - begin} bytes`);
  }
  return { name, dtype: dtype as SafetensorType, shape, offset: dataOffset + begin, bytes };
}

function readMetadata(raw: unknown): Readonly<Record<string, string>> {
  if (raw === undefined) return {};
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) invalid('__metadata__ is not an object');
  for (const value of Object.values(raw))
    if (typeof value !== 'string') invalid('__metadata__ holds more than text');
  return raw as Record<string, string>;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

function invalid(what: string): never {
  throw new FormatError('format_invalid', `The safetensors file is not usable: ${what}.`);
}

export interface SafetensorsLayout {
  /** Length, JSON and padding: everything before the first tensor. */
  readonly header: Uint8Array;
  readonly tensors: readonly SafetensorPlace[];
  readonly fileBytes: number;
}

/** Where everything goes, so that data of any size can be streamed after the header. */
export function layoutSafetensors(
  tensors: readonly SafetensorInfo[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const entries: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) entries['__metadata__'] = metadata;
  const places: SafetensorPlace[] = [];
  let begin = 0;
  for (const { name, dtype, shape } of tensors) {
    if (Object.hasOwn(entries, name)) invalid(`tensor ${name} occurs twice`);
    const bytes = shape.reduce((product, size) => product * size, safetensorTypes[dtype]);
    entries[name] = { dtype, shape, data_offsets: [begin, begin + bytes] };
    places.push({ name, dtype, shape, offset: begin, bytes });
    begin += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(entries));
  const dataOffset = Math.ceil((8 + json.byteLength) / dataAlignment) * dataAlignment;
  const header = new Uint8Array(dataOffset).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(dataOffset - 8), true);
  header.set(json, 8);
  return {
    header,
    tensors: places.map((place) => ({ ...place, offset: place.offset + dataOffset })),
    fileBytes: dataOffset + begin,
  };
}

/** The whole file in memory; for large models stream with `layoutSafetensors`. */
export function writeSafetensors(
  tensors: readonly (SafetensorInfo & { readonly data: Uint8Array })[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const layout = layoutSafetensors(tensors, metadata);
  const file = new Uint8Array(layout.fileBytes);
  file.set(layout.header);
  for (const [index, place] of layout.tensors.entries()) {
    const data = (tensors[index] as { data: Uint8Array }).data;
    if (data.byteLength !== place.bytes) invalid(`tensor ${place.name} has ${data.byteLength} bytes of data`);
    file.set(data, place.offset);
  }
  return file;
}
