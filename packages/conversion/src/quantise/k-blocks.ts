/**
 * ggml's "K" formats (ggml-org/ggml, `ggml-common.h`: block_q4_K, block_q5_K, block_q6_K): 256 values share
 * half-precision scales, and groups of 32 (or 16) have scales of their own in six (or eight) bits of those.
 */
import { type Codec, roundWithin } from './codec.ts';
import { fitAffine, fitSymmetric } from './fit-scale.ts';

const superValues = 256;
const group = 32;

/** Where the parts of a Q4_K or Q5_K block begin. `highBits`: one more bit of each value. */
interface AffineLayout {
  readonly bytes: number;
  readonly highBits: number | undefined;
  readonly lowBits: number;
  readonly highest: number;
}

/** After the two halves (0, 2) and twelve bytes of six-bit scales and minima (4). */
const layouts = {
  Q4_K: { bytes: 144, highBits: undefined, lowBits: 16, highest: 15 },
  Q5_K: { bytes: 176, highBits: 16, lowBits: 48, highest: 31 },
} as const satisfies Record<string, AffineLayout>;

/** The scale and minimum of group 0–7: the first four have whole bytes, whose upper bits hold those of the last four. */
function readPair(view: DataView, at: number, index: number): readonly [scale: number, minimum: number] {
  const byte = (offset: number): number => view.getUint8(at + offset);
  if (index < 4) return [byte(index) & 63, byte(index + 4) & 63];
  return [
    (byte(index + 4) & 15) | ((byte(index - 4) >> 6) << 4),
    (byte(index + 4) >> 4) | ((byte(index) >> 6) << 4),
  ];
}

function writePair(view: DataView, at: number, index: number, scale: number, minimum: number): void {
  const put = (offset: number, bits: number): void =>
    view.setUint8(at + offset, view.getUint8(at + offset) | bits);
  if (index < 4) {
    put(index, scale);
    put(index + 4, minimum);
    return;
  }
  put(index + 4, (scale & 15) | ((minimum & 15) << 4));
  put(index - 4, (scale >> 4) << 6);
  put(index, (minimum >> 4) << 6);
}

function affineCodec({ bytes, highBits, lowBits, highest }: AffineLayout): Codec {
  /** Two groups share 32 bytes, one in each half of a byte; and their high bits lie in two bits of 32 others. */
  const readStep = (view: DataView, at: number, index: number, i: number): number => {
    const low = (view.getUint8(at + lowBits + (index >> 1) * group + i) >> (4 * (index & 1))) & 15;
    const high = highBits === undefined ? 0 : (view.getUint8(at + highBits + i) >> index) & 1;
    return low | (high << 4);
  };
  const writeStep = (view: DataView, at: number, index: number, i: number, step: number): void => {
    const low = at + lowBits + (index >> 1) * group + i;
    view.setUint8(low, view.getUint8(low) | ((step & 15) << (4 * (index & 1))));
    if (highBits !== undefined)
      view.setUint8(at + highBits + i, view.getUint8(at + highBits + i) | ((step >> 4) << index));
  };
  return {
    encode: (values, target) => {
      for (let block = 0; block * superValues < values.length; block += 1) {
        const at = block * bytes;
        const groupOf = (index: number): Float32Array =>
          values.subarray(block * superValues + index * group, block * superValues + (index + 1) * group);
        const fits = Array.from({ length: 8 }, (_, index) => fitAffine(groupOf(index), highest));
        target.setFloat16(at, Math.max(...fits.map(({ scale }) => scale)) / 63, true);
        target.setFloat16(at + 2, Math.max(...fits.map(({ minimum }) => minimum)) / 63, true);
        // As they are read back: what the halves lost, the whole numbers make good.
        const [unit, minimumUnit] = [target.getFloat16(at, true), target.getFloat16(at + 2, true)];
        for (const [index, fit] of fits.entries()) {
          const scale = unit === 0 ? 0 : roundWithin(fit.scale / unit, 0, 63);
          const minimum = minimumUnit === 0 ? 0 : roundWithin(fit.minimum / minimumUnit, 0, 63);
          writePair(target, at + 4, index, scale, minimum);
          const [size, offset] = [unit * scale, minimumUnit * minimum];
          for (const [i, value] of groupOf(index).entries())
            writeStep(
              target,
              at,
              index,
              i,
              size === 0 ? 0 : roundWithin((value + offset) / size, 0, highest),
            );
        }
      }
    },
    decode: (source, values) => {
      for (let block = 0; block * superValues < values.length; block += 1) {
        const at = block * bytes;
        const [unit, minimumUnit] = [source.getFloat16(at, true), source.getFloat16(at + 2, true)];
        for (let index = 0; index < 8; index += 1) {
          const [scale, minimum] = readPair(source, at + 4, index);
          const [size, offset] = [unit * scale, minimumUnit * minimum];
          const from = block * superValues + index * group;
          for (let i = 0; i < group; i += 1)
            values[from + i] = size * readStep(source, at, index, i) - offset;
        }
      }
    },
  };
}

const q6 = { bytes: 210, high: 128, scales: 192, unit: 208 } as const;

/**
 * The place of value `i` of a Q6_K block: each half of 128 values takes 64 bytes of low halves (values 0–63 in the
 * lower, 64–127 in the upper ones) and 32 bytes of two high bits each.
 */
function q6Place(i: number) {
  const [half, within] = [i >> 7, i & 127];
  return {
    low: half * 64 + (within & 63),
    lowShift: within < 64 ? 0 : 4,
    high: q6.high + half * 32 + (within & 31),
    highShift: 2 * (within >> 5),
  };
}

const q6Codec: Codec = {
  encode: (values, target) => {
    for (let block = 0; block * superValues < values.length; block += 1) {
      const at = block * q6.bytes;
      const own = values.subarray(block * superValues, (block + 1) * superValues);
      const scales = Array.from({ length: 16 }, (_, index) =>
        fitSymmetric(own.subarray(index * 16, (index + 1) * 16), 32),
      );
      const extreme = scales.reduce((most, scale) => (Math.abs(scale) > Math.abs(most) ? scale : most), 0);
      target.setFloat16(at + q6.unit, extreme / -128, true);
      const unit = target.getFloat16(at + q6.unit, true);
      for (const [index, scale] of scales.entries()) {
        const steps = unit === 0 ? 0 : roundWithin(scale / unit, -128, 127);
        target.setInt8(at + q6.scales + index, steps);
        const size = unit * steps;
        for (let i = index * 16; i < (index + 1) * 16; i += 1) {
          const step = 32 + (size === 0 ? 0 : roundWithin((own[i] as number) / size, -32, 31));
          const { low, lowShift, high, highShift } = q6Place(i);
          target.setUint8(at + low, target.getUint8(at + low) | ((step & 15) << lowShift));
          target.setUint8(at + high, target.getUint8(at + high) | ((step >> 4) << highShift));
        }
      }
    }
  },
  decode: (source, values) => {
    for (let block = 0; block * superValues < values.length; block += 1) {
      const at = block * q6.bytes;
      const unit = source.getFloat16(at + q6.unit, true);
      for (let i = 0; i < superValues; i += 1) {
        const { low, lowShift, high, highShift } = q6Place(i);
        const step =
          ((source.getUint8(at + low) >> lowShift) & 15) |
          (((source.getUint8(at + high) >> highShift) & 3) << 4);
        values[block * superValues + i] = unit * source.getInt8(at + q6.scales + (i >> 4)) * (step - 32);
      }
    }
  },
};

export const kCodecs = {
  Q4_K: affineCodec(layouts.Q4_K),
  Q5_K: affineCodec(layouts.Q5_K),
  Q6_K: q6Codec,
} as const;
