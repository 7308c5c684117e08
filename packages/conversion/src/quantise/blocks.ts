/**
 * Numbers ↔ the block formats of ggml (ggml-org/ggml, `ggml-quants.c`, reference functions): 32 values share
 * one half-precision scale. One row of the table a format; rows of a tensor fill whole blocks.
 */
import { tensorTypes, type GgufTensorType } from '@gantry/formats';
import type { Codec } from './codec.ts';
import { kCodecs } from './k-blocks.ts';

const blockValues = 32;
const q8Bytes = tensorTypes.Q8_0.blockBytes;
const q4Bytes = tensorTypes.Q4_0.blockBytes;

/** `setInt8` and friends by element: formats without blocks. */
function elementwise(
  bytes: number,
  get: (view: DataView, at: number) => number,
  set: (view: DataView, at: number, value: number) => void,
): Codec {
  return {
    encode: (values, target) => {
      for (let i = 0; i < values.length; i += 1) set(target, i * bytes, values[i] as number);
    },
    decode: (source, values) => {
      for (let i = 0; i < values.length; i += 1) values[i] = get(source, i * bytes);
    },
  };
}

const scratch = new DataView(new ArrayBuffer(4));

/** Round to nearest, ties to even, as hardware does; NaN stays NaN. */
function toBfloat16(value: number): number {
  scratch.setFloat32(0, value, true);
  const bits = scratch.getUint32(0, true);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function fromBfloat16(bits: number): number {
  scratch.setUint32(0, (bits << 16) >>> 0, true);
  return scratch.getFloat32(0, true);
}

const codecs = {
  F32: elementwise(
    4,
    (view, at) => view.getFloat32(at, true),
    (view, at, value) => view.setFloat32(at, value, true),
  ),
  F16: elementwise(
    2,
    (view, at) => view.getFloat16(at, true),
    (view, at, value) => view.setFloat16(at, value, true),
  ),
  BF16: elementwise(
    2,
    (view, at) => fromBfloat16(view.getUint16(at, true)),
    (view, at, value) => view.setUint16(at, toBfloat16(value), true),
  ),
  Q8_0: {
    encode: (values, target) => {
      for (let block = 0; block * blockValues < values.length; block += 1) {
        const at = block * q8Bytes;
        const from = block * blockValues;
        let largest = 0;
        for (let i = 0; i < blockValues; i += 1)
          largest = Math.max(largest, Math.abs(values[from + i] as number));
        // In single precision at every step, as ggml: so halves fall to the same side.
        const scale = Math.fround(largest / 127);
        const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
        target.setFloat16(at, scale, true);
        for (let i = 0; i < blockValues; i += 1) {
          target.setInt8(at + 2 + i, roundAway(Math.fround((values[from + i] as number) * inverse)));
        }
      }
    },
    decode: (source, values) => {
      for (let block = 0; block * blockValues < values.length; block += 1) {
        const at = block * q8Bytes;
        const scale = source.getFloat16(at, true);
        for (let i = 0; i < blockValues; i += 1)
          values[block * blockValues + i] = source.getInt8(at + 2 + i) * scale;
      }
    },
  },
  Q4_0: {
    encode: (values, target) => {
      for (let block = 0; block * blockValues < values.length; block += 1) {
        const at = block * q4Bytes;
        const from = block * blockValues;
        // The value of largest size takes the end of the range that has one step more.
        let extreme = 0;
        for (let i = 0; i < blockValues; i += 1) {
          const value = values[from + i] as number;
          if (Math.abs(value) > Math.abs(extreme)) extreme = value;
        }
        const scale = extreme / -8;
        const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
        target.setFloat16(at, scale, true);
        const step = (i: number): number =>
          Math.min(15, Math.trunc(Math.fround(Math.fround((values[from + i] as number) * inverse) + 8.5)));
        for (let i = 0; i < blockValues / 2; i += 1)
          target.setUint8(at + 2 + i, step(i) | (step(i + 16) << 4));
      }
    },
    decode: (source, values) => {
      for (let block = 0; block * blockValues < values.length; block += 1) {
        const at = block * q4Bytes;
        const scale = source.getFloat16(at, true);
        for (let i = 0; i < blockValues / 2; i += 1) {
          const pair = source.getUint8(at + 2 + i);
          values[block * blockValues + i] = ((pair & 0x0f) - 8) * scale;
          values[block * blockValues + i + 16] = ((pair >>> 4) - 8) * scale;
        }
      }
    },
  },
  ...kCodecs,
} as const satisfies Partial<Record<GgufTensorType, Codec>>;

export type CodecType = keyof typeof codecs;

export function hasCodec(type: string): type is CodecType {
  return Object.hasOwn(codecs, type);
}

/** `values` fill whole blocks of the type. */
export function encodeValues(type: CodecType, values: Float32Array): Uint8Array {
  const { blockValues, blockBytes } = tensorTypes[type];
  if (values.length % blockValues !== 0)
    throw new RangeError(`${values.length} values fill no whole ${type} blocks`);
  const bytes = new Uint8Array((values.length / blockValues) * blockBytes);
  codecs[type].encode(values, new DataView(bytes.buffer));
  return bytes;
}

export function decodeValues(type: CodecType, bytes: Uint8Array): Float32Array {
  const { blockValues, blockBytes } = tensorTypes[type];
  if (bytes.byteLength % blockBytes !== 0)
    throw new RangeError(`${bytes.byteLength} bytes are no whole ${type} blocks`);
  const values = new Float32Array((bytes.byteLength / blockBytes) * blockValues);
  codecs[type].decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), values);
  return values;
}

/** C's `roundf`: halves go away from zero. */
function roundAway(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}
