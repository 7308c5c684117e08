/** JSON values of a tensor ↔ the raw little-endian bytes that gRPC carries. */
import { toRaw, type TensorContents } from './tensor-contents.ts';

type Decode = (raw: Buffer) => readonly unknown[];

interface Kind {
  /** The list of a gRPC message that holds values of this type. */
  readonly contents: keyof TensorContents;
  readonly decode: Decode;
}

type View = new (buffer: ArrayBuffer) => ArrayLike<number | bigint>;

/** A copy: raw tensors lie at any offset, views want whole elements. */
const numbers =
  (view: View): Decode =>
  (raw) =>
    Array.from(new view(Uint8Array.from(raw).buffer), Number);

const kind = (contents: keyof TensorContents, decode: Decode): Kind => ({ contents, decode });

/** FP16 and BF16 have no JSON here: they come and go raw. */
const kinds: Readonly<Record<string, Kind>> = {
  BOOL: kind('bool_contents', (raw) => Array.from(raw, (byte) => byte !== 0)),
  INT8: kind('int_contents', numbers(Int8Array)),
  INT16: kind('int_contents', numbers(Int16Array)),
  INT32: kind('int_contents', numbers(Int32Array)),
  INT64: kind('int64_contents', numbers(BigInt64Array)),
  UINT8: kind('uint_contents', numbers(Uint8Array)),
  UINT16: kind('uint_contents', numbers(Uint16Array)),
  UINT32: kind('uint_contents', numbers(Uint32Array)),
  UINT64: kind('uint64_contents', numbers(BigUint64Array)),
  FP32: kind('fp32_contents', numbers(Float32Array)),
  FP64: kind('fp64_contents', numbers(Float64Array)),
  BYTES: kind('bytes_contents', decodeTexts),
};

const kindOf = (datatype: string): Kind | undefined =>
  Object.hasOwn(kinds, datatype) ? kinds[datatype] : undefined;

/** Flat or nested values; undefined where they are none of this type. */
export function valuesToRaw(datatype: string, values: readonly unknown[]): Buffer | undefined {
  const contents = kindOf(datatype)?.contents;
  if (contents === undefined) return undefined;
  const flat = values.flat(16);
  const texts = contents === 'bytes_contents' ? flat.map((text) => Buffer.from(String(text))) : flat;
  try {
    return toRaw(datatype, { [contents]: texts });
  } catch {
    return undefined;
  }
}

/** Undefined where the bytes are no whole number of elements, or the type has no JSON. */
export function rawToValues(datatype: string, raw: Buffer): readonly unknown[] | undefined {
  try {
    return kindOf(datatype)?.decode(raw);
  } catch {
    return undefined;
  }
}

/** Each text behind its length in four bytes. */
function decodeTexts(raw: Buffer): readonly string[] {
  const texts: string[] = [];
  for (let at = 0; at < raw.length;) {
    const end = at + 4 + raw.readUInt32LE(at);
    if (end > raw.length) throw new RangeError('a text is cut off');
    texts.push(raw.toString('utf8', at + 4, end));
    at = end;
  }
  return texts;
}
