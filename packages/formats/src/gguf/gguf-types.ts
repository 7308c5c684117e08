/** The vocabulary of GGUF v3 (ggml-org/ggml, docs/gguf.md): metadata values and tensor types. */

type GgufNumberType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64';
export type GgufScalarType = GgufNumberType | 'u64' | 'i64' | 'bool' | 'string';

export type GgufScalar =
  | { readonly type: GgufNumberType; readonly value: number }
  | { readonly type: 'u64' | 'i64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string };

export type GgufArray =
  | { readonly type: 'array'; readonly of: GgufNumberType; readonly values: readonly number[] }
  | { readonly type: 'array'; readonly of: 'u64' | 'i64'; readonly values: readonly bigint[] }
  | { readonly type: 'array'; readonly of: 'bool'; readonly values: readonly boolean[] }
  | { readonly type: 'array'; readonly of: 'string'; readonly values: readonly string[] };

export type GgufValue = GgufScalar | GgufArray;

/** Type code in the file, and the fewest bytes that a value takes. */
export const scalarTypes: Readonly<
  Record<GgufScalarType, { readonly code: number; readonly bytes: number }>
> = {
  u8: { code: 0, bytes: 1 },
  i8: { code: 1, bytes: 1 },
  u16: { code: 2, bytes: 2 },
  i16: { code: 3, bytes: 2 },
  u32: { code: 4, bytes: 4 },
  i32: { code: 5, bytes: 4 },
  f32: { code: 6, bytes: 4 },
  bool: { code: 7, bytes: 1 },
  string: { code: 8, bytes: 8 },
  u64: { code: 10, bytes: 8 },
  i64: { code: 11, bytes: 8 },
  f64: { code: 12, bytes: 8 },
};
export const arrayTypeCode = 9;

interface TensorType {
  readonly code: number;
  /** Values of one block along the fastest dimension, and its bytes. */
  readonly blockValues: number;
  readonly blockBytes: number;
}

const block = (code: number, blockValues: number, blockBytes: number): TensorType => ({
  code,
  blockValues,
  blockBytes,
});

export const tensorTypes = {
  F32: block(0, 1, 4),
  F16: block(1, 1, 2),
  Q4_0: block(2, 32, 18),
  Q4_1: block(3, 32, 20),
  Q5_0: block(6, 32, 22),
  Q5_1: block(7, 32, 24),
  Q8_0: block(8, 32, 34),
  Q2_K: block(10, 256, 84),
  Q3_K: block(11, 256, 110),
  Q4_K: block(12, 256, 144),
  Q5_K: block(13, 256, 176),
  Q6_K: block(14, 256, 210),
  I8: block(24, 1, 1),
  I16: block(25, 1, 2),
  I32: block(26, 1, 4),
  I64: block(27, 1, 8),
  F64: block(28, 1, 8),
  BF16: block(30, 1, 2),
} as const satisfies Record<string, TensorType>;

export type GgufTensorType = keyof typeof tensorTypes;

/** Bytes of a tensor; undefined when its rows do not fill whole blocks. `shape` is row-major: last is fastest. */
export function tensorBytes(type: GgufTensorType, shape: readonly number[]): number | undefined {
  const { blockValues, blockBytes } = tensorTypes[type];
  const row = shape.at(-1) ?? 1;
  if (row % blockValues !== 0) return undefined;
  return (shape.reduce((product, size) => product * size, 1) / blockValues) * blockBytes;
}

export interface GgufTensor {
  readonly name: string;
  /** Row-major as Hugging Face writes it; the file holds it reversed. */
  readonly shape: readonly number[];
  readonly type: GgufTensorType;
}

export interface GgufTensorPlace extends GgufTensor {
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensorPlace[];
  readonly alignment: number;
}

export const ggufMagic = 0x46554747;
export const defaultAlignment = 32;
