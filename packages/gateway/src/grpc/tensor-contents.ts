/** Typed contents of a gRPC tensor → the raw little-endian bytes that the REST dialect's binary extension carries. */
export interface TensorContents {
  readonly bool_contents?: readonly boolean[];
  readonly int_contents?: readonly number[];
  readonly int64_contents?: readonly string[];
  readonly uint_contents?: readonly number[];
  readonly uint64_contents?: readonly string[];
  readonly fp32_contents?: readonly number[];
  readonly fp64_contents?: readonly number[];
  readonly bytes_contents?: readonly Uint8Array[];
}

type Encode = (contents: TensorContents) => Buffer;

const packed = (array: ArrayBufferView): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

const encoders: Readonly<Record<string, Encode>> = {
  BOOL: ({ bool_contents = [] }) => packed(Uint8Array.from(bool_contents, Number)),
  INT8: ({ int_contents = [] }) => packed(Int8Array.from(int_contents)),
  INT16: ({ int_contents = [] }) => packed(Int16Array.from(int_contents)),
  INT32: ({ int_contents = [] }) => packed(Int32Array.from(int_contents)),
  INT64: ({ int64_contents = [] }) => packed(BigInt64Array.from(int64_contents, BigInt)),
  UINT8: ({ uint_contents = [] }) => packed(Uint8Array.from(uint_contents)),
  UINT16: ({ uint_contents = [] }) => packed(Uint16Array.from(uint_contents)),
  UINT32: ({ uint_contents = [] }) => packed(Uint32Array.from(uint_contents)),
  UINT64: ({ uint64_contents = [] }) => packed(BigUint64Array.from(uint64_contents, BigInt)),
  FP32: ({ fp32_contents = [] }) => packed(Float32Array.from(fp32_contents)),
  FP64: ({ fp64_contents = [] }) => packed(Float64Array.from(fp64_contents)),
  BYTES: ({ bytes_contents = [] }) =>
    Buffer.concat(
      bytes_contents.flatMap((text) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text.byteLength);
        return [length, text];
      }),
    ),
};

/** Undefined for a type whose contents only come raw (FP16, BF16) or that nobody knows. */
export function toRaw(datatype: string, contents: TensorContents): Buffer | undefined {
  return encoders[datatype]?.(contents);
}
