/** Tensor values in JSON: flattened or nested lists, row by row, to and from the bytes that travel. */
import { countOf } from '@gantry/kit';
import { EngineError } from '../engine-error.ts';
import type { Datatype } from './datatypes.ts';
import { decodeTexts, elementCount, encodeTexts, type WireTensor } from './wire-tensor.ts';

interface Codec {
  readonly bytes: number;
  write(view: DataView, offset: number, value: unknown): boolean;
  read(view: DataView, offset: number): unknown;
}

const isWhole = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

const whole = (bits: 8 | 16 | 32, isSigned: boolean): Codec => {
  const kind = `${isSigned ? 'Int' : 'Uint'}${bits}` as const;
  const least = isSigned ? -(2 ** (bits - 1)) : 0;
  const most = 2 ** (isSigned ? bits - 1 : bits) - 1;
  return {
    bytes: bits / 8,
    write: (view, offset, value) => {
      if (!isWhole(value, least, most)) return false;
      view[`set${kind}`](offset, value, true);
      return true;
    },
    read: (view, offset) => view[`get${kind}`](offset, true),
  };
};

const real = (bits: 16 | 32 | 64): Codec => ({
  bytes: bits / 8,
  write: (view, offset, value) => {
    if (typeof value !== 'number') return false;
    view[`setFloat${bits}`](offset, value, true);
    return true;
  },
  read: (view, offset) => {
    const value = view[`getFloat${bits}`](offset, true);
    // JSON has no word for these; clients that must see them ask for binary.
    return Number.isFinite(value) ? value : null;
  },
});

/** Beyond 2^53 JSON numbers are not exact: such values are refused coming in and rounded going out. */
const long = (isSigned: boolean): Codec => ({
  bytes: 8,
  write: (view, offset, value) => {
    if (!isWhole(value, isSigned ? Number.MIN_SAFE_INTEGER : 0, Number.MAX_SAFE_INTEGER)) return false;
    view.setBigInt64(offset, BigInt(value), true);
    return true;
  },
  read: (view, offset) => Number(isSigned ? view.getBigInt64(offset, true) : view.getBigUint64(offset, true)),
});

const codecs: Readonly<Record<Exclude<Datatype, 'BYTES'>, Codec>> = {
  BOOL: {
    bytes: 1,
    write: (view, offset, value) => {
      if (typeof value !== 'boolean' && value !== 0 && value !== 1) return false;
      view.setUint8(offset, Number(value));
      return true;
    },
    read: (view, offset) => view.getUint8(offset) !== 0,
  },
  UINT8: whole(8, false),
  UINT16: whole(16, false),
  UINT32: whole(32, false),
  UINT64: long(false),
  INT8: whole(8, true),
  INT16: whole(16, true),
  INT32: whole(32, true),
  INT64: long(true),
  FP16: real(16),
  FP32: real(32),
  FP64: real(64),
};

/** Values of a tensor in JSON, flat or nested, as bytes; `invalid_value` where they are not of the type or not as many as the shape takes. */
export function encodeValues(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  data: readonly unknown[],
): Uint8Array {
  const count = elementCount(shape);
  const values = Array.isArray(data[0]) ? data.flat(16) : data;
  if (values.length !== count) {
    throw bad(
      name,
      `"${name}" has ${countOf(values.length, 'value')}; its shape [${shape.join(', ')}] takes ${count}.`,
    );
  }
  if (datatype === 'BYTES') {
    if (!values.every((value): value is string => typeof value === 'string'))
      throw bad(name, `"${name}" is BYTES: its values are texts.`);
    return encodeTexts(values);
  }
  const codec = codecs[datatype];
  const out = new Uint8Array(count * codec.bytes);
  const view = new DataView(out.buffer);
  for (let index = 0; index < count; index++) {
    if (!codec.write(view, index * codec.bytes, values[index]))
      throw bad(name, `Value ${index} of "${name}" is no ${datatype}.`);
  }
  return out;
}

/** Flat, in row-major order. */
export function decodeValues({ datatype, shape, bytes }: WireTensor): unknown[] {
  const count = elementCount(shape);
  if (datatype === 'BYTES') return [...decodeTexts(bytes, count)];
  const codec = codecs[datatype];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, index) => codec.read(view, index * codec.bytes));
}

function bad(param: string, message: string): EngineError {
  return new EngineError('invalid_value', message, { param });
}
