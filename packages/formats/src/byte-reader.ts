/** Reads little-endian numbers from bytes that nobody vouches for: past the end is an error, never undefined. */
import { FormatError } from './format-error.ts';

export interface ByteReader {
  readonly offset: number;
  readonly remaining: number;
  u8(): number;
  i8(): number;
  u16(): number;
  i16(): number;
  u32(): number;
  i32(): number;
  f32(): number;
  f64(): number;
  u64(): bigint;
  i64(): bigint;
  /** A u64 that counts or addresses something in the file: at most `limit`. */
  count(what: string, limit: number): number;
  bytes(length: number): Uint8Array;
}

export function createByteReader(bytes: Uint8Array): ByteReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  const take = (length: number): number => {
    if (length > bytes.byteLength - offset) {
      throw new FormatError(
        'format_truncated',
        `The file ends at byte ${bytes.byteLength}, where ${length} more bytes were expected after ${offset}.`,
        'Copy or download the file again.',
      );
    }
    const at = offset;
    offset += length;
    return at;
  };
  return {
    get offset() {
      return offset;
    },
    get remaining() {
      return bytes.byteLength - offset;
    },
    u8: () => view.getUint8(take(1)),
    i8: () => view.getInt8(take(1)),
    u16: () => view.getUint16(take(2), true),
    i16: () => view.getInt16(take(2), true),
    u32: () => view.getUint32(take(4), true),
    i32: () => view.getInt32(take(4), true),
    f32: () => view.getFloat32(take(4), true),
    f64: () => view.getFloat64(take(8), true),
    u64: () => view.getBigUint64(take(8), true),
    i64: () => view.getBigInt64(take(8), true),
    count: (what, limit) => {
      const value = view.getBigUint64(take(8), true);
      if (value > BigInt(limit)) {
        throw new FormatError(
          'format_limit',
          `The file claims ${value} ${what}; at most ${limit} are accepted.`,
        );
      }
      return Number(value);
    },
    bytes: (length) => {
      const at = take(length);
      return bytes.subarray(at, at + length);
    },
  };
}
