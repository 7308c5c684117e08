/** Element types under their two names: the Open Inference Protocol's and ONNX Runtime's. */
export const datatypes = {
  BOOL: { ort: 'bool', bytes: 1 },
  UINT8: { ort: 'uint8', bytes: 1 },
  UINT16: { ort: 'uint16', bytes: 2 },
  UINT32: { ort: 'uint32', bytes: 4 },
  UINT64: { ort: 'uint64', bytes: 8 },
  INT8: { ort: 'int8', bytes: 1 },
  INT16: { ort: 'int16', bytes: 2 },
  INT32: { ort: 'int32', bytes: 4 },
  INT64: { ort: 'int64', bytes: 8 },
  FP16: { ort: 'float16', bytes: 2 },
  FP32: { ort: 'float32', bytes: 4 },
  FP64: { ort: 'float64', bytes: 8 },
  /** Texts: each with its length before it, so an element has no size of its own. */
  BYTES: { ort: 'string', bytes: undefined },
} as const satisfies Record<string, { readonly ort: string; readonly bytes: number | undefined }>;

export type Datatype = keyof typeof datatypes;
export type OrtType = (typeof datatypes)[Datatype]['ort'];

export function isDatatype(name: unknown): name is Datatype {
  return typeof name === 'string' && Object.hasOwn(datatypes, name);
}

const byOrt = new Map<string, Datatype>(
  Object.entries(datatypes).map(([name, { ort }]) => [ort, name as Datatype]),
);

/** Undefined for what the protocol has no name for. */
export function datatypeOfOrt(type: string): Datatype | undefined {
  return byOrt.get(type);
}
