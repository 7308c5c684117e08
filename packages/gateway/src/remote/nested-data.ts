/** Flat tensor data with its shape ↔ the nested lists that TensorFlow Serving and TorchServe speak. */

export function toNested(data: readonly unknown[], shape: readonly number[]): unknown {
  const [size, ...rest] = shape;
  if (size === undefined) return data[0];
  if (rest.length === 0) return data;
  const stride = rest.reduce((product, each) => product * each, 1);
  return Array.from({ length: size }, (_, at) => toNested(data.slice(at * stride, (at + 1) * stride), rest));
}

export interface FlatTensor {
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

/** Dimensions of a tensor; lists within lists beyond that are none. */
export const maxDepth = 16;

/** Undefined where the lists are ragged: no tensor has such a shape. */
export function toFlat(nested: unknown, depth = 0): FlatTensor | undefined {
  if (!Array.isArray(nested)) return { shape: [], data: [nested] };
  if (depth === maxDepth) return undefined;
  const parts = nested.map((each) => toFlat(each, depth + 1));
  const [first] = parts;
  if (first === undefined) return { shape: [0], data: [] };
  const key = first.shape.join();
  if (parts.some((part) => part?.shape.join() !== key)) return undefined;
  return { shape: [nested.length, ...first.shape], data: parts.flatMap((part) => part?.data ?? []) };
}

/** What JSON tells of the type; whole numbers may be floats, so numbers are FP32 unless the server said otherwise. */
export function datatypeOf({ data }: FlatTensor): 'FP32' | 'BYTES' | 'BOOL' {
  const [first] = data;
  return typeof first === 'string' ? 'BYTES' : typeof first === 'boolean' ? 'BOOL' : 'FP32';
}
