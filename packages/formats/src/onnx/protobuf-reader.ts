/**
 * Protobuf wire format read without a schema: fields in their order, lengths checked against the bytes that are
 * there. What is not looked into is written back byte for byte.
 */
import { FormatError } from '../format-error.ts';

export interface ProtobufField {
  readonly field: number;
  readonly wire: 0 | 1 | 2 | 5;
  /** Of a varint; larger ones than a double holds exactly are refused where they are read. */
  readonly value: bigint;
  /** The content of a length-delimited field, else its value's bytes. */
  readonly bytes: Uint8Array;
  /** Tag and all. */
  readonly raw: Uint8Array;
}

const mostFields = 5_000_000;

export function readProtobuf(bytes: Uint8Array): ProtobufField[] {
  const fields: ProtobufField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw truncated();
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new FormatError('format_invalid', 'A number of the file never ends.');
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.byteLength - at) throw truncated();
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.byteLength) {
    if (fields.length >= mostFields) throw new FormatError('format_limit', 'The file has too many fields.');
    const start = at;
    const tag = varint();
    const [field, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    if (field === 0 || (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5))
      throw new FormatError('format_invalid', `Byte ${start} starts no field.`, 'Is it an ONNX file?');
    const from = at;
    let value = 0n;
    let content: Uint8Array;
    if (wire === 0) {
      value = varint();
      content = bytes.subarray(from, at);
    } else if (wire === 2) {
      const length = varint();
      if (length > BigInt(bytes.byteLength)) throw truncated();
      content = take(Number(length));
    } else content = take(wire === 1 ? 8 : 4);
    fields.push({ field, wire, value, bytes: content, raw: bytes.subarray(start, at) });
  }
  return fields;
}

/** A repeated integer, packed or one by one. */
export function readIntegers(fields: readonly ProtobufField[], field: number): number[] {
  return fields
    .filter((one) => one.field === field)
    .flatMap((one) => {
      if (one.wire === 0) return [exact(one.value)];
      const values: number[] = [];
      let value = 0n;
      let shift = 0n;
      for (const byte of one.bytes) {
        value |= BigInt(byte & 0x7f) << shift;
        shift += 7n;
        if (shift > 70n) throw new FormatError('format_invalid', 'A number of the file never ends.');
        if (byte >= 0x80) continue;
        values.push(exact(value));
        [value, shift] = [0n, 0n];
      }
      return values;
    });
}

const decoder = new TextDecoder();

export function readTexts(fields: readonly ProtobufField[], field: number): string[] {
  return fields.filter((one) => one.field === field).map(({ bytes }) => decoder.decode(bytes));
}

function exact(value: bigint): number {
  const signed = Number(BigInt.asIntN(64, value));
  if (!Number.isSafeInteger(signed))
    throw new FormatError('format_limit', 'A number of the file is too large.');
  return signed;
}

const truncated = (): FormatError =>
  new FormatError(
    'format_truncated',
    'The file ends in the middle of a field.',
    'Copy or download it again.',
  );
