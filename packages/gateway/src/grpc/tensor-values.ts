/** JSON values of a tensor ↔ the raw little-endian bytes that gRPC and the binary extension carry. */
import { isUtf8 } from 'node:buffer';
import { exactNumber } from '../http/exact-json.ts';
import { toRaw, type TensorContents } from './tensor-contents.ts';

type Decode = (raw: Buffer) => readonly unknown[];

interface Kind {
  /** True of a JSON value that this type has. */
  readonly holds: (value: unknown) => boolean;
  readonly encode: (values: readonly unknown[]) => Buffer | undefined;
  readonly decode: Decode;
}

type View = new (buffer: ArrayBuffer) => ArrayLike<number | bigint>;

/** A copy: raw tensors lie at any offset, views want whole elements. */
const elements = (view: View, raw: Buffer): ArrayLike<number | bigint> =>
  new view(Uint8Array.from(raw).buffer);

const exact = (value: number | bigint): unknown => (typeof value === 'number' ? value : exactNumber(value));

const contents =
  (list: keyof TensorContents, datatype: string) =>
  (values: readonly unknown[]): Buffer | undefined =>
    toRaw(datatype, { [list]: values });

function integer(datatype: string, view: View, list: keyof TensorContents): readonly [string, Kind] {
  const bits = Number(datatype.replace(/\D/g, ''));
  const least = datatype.startsWith('U') ? 0n : -(2n ** BigInt(bits - 1));
  const most = 2n ** BigInt(datatype.startsWith('U') ? bits : bits - 1) - 1n;
  return [
    datatype,
    {
      holds: (value) =>
        (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) &&
        value >= least &&
        value <= most,
      encode: (values) => contents(list, datatype)(bits === 64 ? values : values.map(Number)),
      decode: (raw) => Array.from(elements(view, raw), exact),
    },
  ];
}

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint';

function float(
  datatype: string,
  view: new (values: Iterable<number>) => ArrayBufferView,
): readonly [string, Kind] {
  return [
    datatype,
    {
      holds: isNumber,
      encode: (values) => {
        const { buffer, byteOffset, byteLength } = new view(values.map(Number));
        return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
      },
      decode: (raw) => Array.from(elements(view as unknown as View, raw), Number),
    },
  ];
}

/** BF16 has no JSON here: it comes and goes raw. */
const kinds: ReadonlyMap<string, Kind> = new Map([
  integer('INT8', Int8Array, 'int_contents'),
  integer('INT16', Int16Array, 'int_contents'),
  integer('INT32', Int32Array, 'int_contents'),
  integer('INT64', BigInt64Array, 'int64_contents'),
  integer('UINT8', Uint8Array, 'uint_contents'),
  integer('UINT16', Uint16Array, 'uint_contents'),
  integer('UINT32', Uint32Array, 'uint_contents'),
  integer('UINT64', BigUint64Array, 'uint64_contents'),
  float('FP16', Float16Array),
  float('FP32', Float32Array),
  float('FP64', Float64Array),
  [
    'BOOL',
    {
      holds: (value) => typeof value === 'boolean' || value === 0 || value === 1,
      encode: contents('bool_contents', 'BOOL'),
      decode: (raw) => Array.from(raw, (byte) => byte !== 0),
    },
  ],
  [
    'BYTES',
    {
      holds: (value) => typeof value === 'string' || isNumber(value),
      encode: (values) =>
        contents('bytes_contents', 'BYTES')(values.map((text) => Buffer.from(String(text)))),
      decode: decodeTexts,
    },
  ],
]);

/** Flat or nested values; undefined where they are none of this type, or beyond what it holds. */
export function valuesToRaw(datatype: string, values: readonly unknown[]): Buffer | undefined {
  const kind = kinds.get(datatype);
  const flat = values.flat(16);
  return kind === undefined || !flat.every(kind.holds) ? undefined : kind.encode(flat);
}

/** Undefined where the bytes are no whole number of elements, or the type has no JSON. */
export function rawToValues(datatype: string, raw: Buffer): readonly unknown[] | undefined {
  try {
    return kinds.get(datatype)?.decode(raw);
  } catch {
    return undefined;
  }
}

/** JSON says every value as it is: no NaN, no infinity, no bytes that are no text. */
export function canBeJson(datatype: string, raw: Buffer): boolean {
  const values = rawToValues(datatype, raw);
  if (values === undefined) return false;
  if (datatype === 'BYTES') return textRanges(raw).every(([start, end]) => isUtf8(raw.subarray(start, end)));
  return values.every((value) => typeof value !== 'number' || Number.isFinite(value));
}

/** Each text behind its length in four bytes. */
function decodeTexts(raw: Buffer): readonly string[] {
  return textRanges(raw).map(([start, end]) => raw.toString('utf8', start, end));
}

function textRanges(raw: Buffer): readonly (readonly [start: number, end: number])[] {
  const ranges: [number, number][] = [];
  for (let at = 0; at < raw.length;) {
    const end = at + 4 + raw.readUInt32LE(at);
    if (end > raw.length) throw new RangeError('a text is cut off');
    ranges.push([at + 4, end]);
    at = end;
  }
  return ranges;
}
