/** Grows as it is written to; all numbers are little-endian. */
export interface ByteWriter {
  readonly length: number;
  u8(value: number): void;
  i8(value: number): void;
  u16(value: number): void;
  i16(value: number): void;
  u32(value: number): void;
  i32(value: number): void;
  f32(value: number): void;
  f64(value: number): void;
  u64(value: bigint | number): void;
  i64(value: bigint | number): void;
  bytes(value: Uint8Array): void;
  /** Zeros up to the next multiple. */
  align(multiple: number): void;
  finish(): Uint8Array;
}

export function createByteWriter(): ByteWriter {
  let buffer = new Uint8Array(4_096);
  let view = new DataView(buffer.buffer);
  let length = 0;
  const reserve = (extra: number): number => {
    const at = length;
    length += extra;
    if (length > buffer.byteLength) {
      const grown = new Uint8Array(Math.max(length, buffer.byteLength * 2));
      grown.set(buffer);
      buffer = grown;
      view = new DataView(buffer.buffer);
    }
    return at;
  };
  return {
    get length() {
      return length;
    },
    u8: (value) => {
      const at = reserve(1);
      view.setUint8(at, value);
    },
    i8: (value) => {
      const at = reserve(1);
      view.setInt8(at, value);
    },
    u16: (value) => {
      const at = reserve(2);
      view.setUint16(at, value, true);
    },
    i16: (value) => {
      const at = reserve(2);
      view.setInt16(at, value, true);
    },
    u32: (value) => {
      const at = reserve(4);
      view.setUint32(at, value, true);
    },
    i32: (value) => {
      const at = reserve(4);
      view.setInt32(at, value, true);
    },
    f32: (value) => {
      const at = reserve(4);
      view.setFloat32(at, value, true);
    },
    f64: (value) => {
      const at = reserve(8);
      view.setFloat64(at, value, true);
    },
    u64: (value) => {
      const at = reserve(8);
      view.setBigUint64(at, BigInt(value), true);
    },
    i64: (value) => {
      const at = reserve(8);
      view.setBigInt64(at, BigInt(value), true);
    },
    bytes: (value) => {
      const at = reserve(value.byteLength);
      buffer.set(value, at);
    },
    align: (multiple) => {
      reserve((multiple - (length % multiple)) % multiple);
    },
    finish: () => buffer.slice(0, length),
  };
}
