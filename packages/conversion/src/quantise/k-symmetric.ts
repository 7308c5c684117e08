/** K formats whose groups of 16 have a signed scale only: value = unit × scale × (step − half). */
import { tensorTypes } from '@gantry/formats';
import { type Codec, roundWithin } from './codec.ts';
import { fitByTurns, fitSymmetric, type SymmetricFit } from './fit-scale.ts';
import { addBits, superCodec, superValues } from './k-super.ts';

const { abs, fround } = Math;
const group = 16;

/** Places are bytes from the start of a block. */
interface SymmetricLayout {
  readonly half: number;
  readonly fit: SymmetricFit;
  /** Scales of groups go from −this to this − 1. */
  readonly scaleHalf: number;
  readonly unit: number;
  readScale(view: DataView, at: number, index: number): number;
  writeScale(view: DataView, at: number, index: number, scale: number): void;
  readStep(view: DataView, at: number, i: number): number;
  writeStep(view: DataView, at: number, i: number, step: number): void;
}

/**
 * Value `i` of a Q6_K block: each half of 128 values takes 64 bytes of low halves (values 0–63 in the lower, 64–127 in
 * the upper ones) and, from byte 128 on, 32 bytes of two high bits each.
 */
function q6Place(i: number) {
  const [half, within] = [i >> 7, i & 127];
  return {
    low: half * 64 + (within & 63),
    lowShift: within < 64 ? 0 : 4,
    high: 128 + half * 32 + (within & 31),
    highShift: 2 * (within >> 5),
  };
}

/** Value `i` of a Q3_K block: a high bit in the first 32 bytes, two low ones in the next 64. */
const q3Place = (i: number) => ({
  low: 32 + (i >> 7) * 32 + (i & 31),
  lowShift: 2 * ((i >> 5) & 3),
  high: i & 31,
  highShift: i >> 5,
});

/** Six-bit scales of a Q3_K block from byte 96 on: four low bits in eight bytes, two high ones in four. */
const q3ScalePlace = (index: number) => ({
  low: 96 + (index & 7),
  lowShift: index < 8 ? 0 : 4,
  high: 104 + (index & 3),
  highShift: 2 * (index >> 2),
});

const layouts = {
  Q3_K: {
    half: 4,
    fit: fitByTurns,
    scaleHalf: 32,
    unit: 108,
    readScale: (view, at, index) => {
      const { low, lowShift, high, highShift } = q3ScalePlace(index);
      const bits = (view.getUint8(at + low) >> lowShift) & 15;
      return (bits | (((view.getUint8(at + high) >> highShift) & 3) << 4)) - 32;
    },
    writeScale: (view, at, index, scale) => {
      const { low, lowShift, high, highShift } = q3ScalePlace(index);
      addBits(view, at + low, ((scale + 32) & 15) << lowShift);
      addBits(view, at + high, ((scale + 32) >> 4) << highShift);
    },
    readStep: (view, at, i) => {
      const { low, lowShift, high, highShift } = q3Place(i);
      const bits = (view.getUint8(at + low) >> lowShift) & 3;
      return bits | (((view.getUint8(at + high) >> highShift) & 1) << 2);
    },
    writeStep: (view, at, i, step) => {
      const { low, lowShift, high, highShift } = q3Place(i);
      addBits(view, at + low, (step & 3) << lowShift);
      addBits(view, at + high, (step >> 2) << highShift);
    },
  },
  Q6_K: {
    half: 32,
    fit: fitSymmetric,
    scaleHalf: 128,
    unit: 208,
    readScale: (view, at, index) => view.getInt8(at + 192 + index),
    writeScale: (view, at, index, scale) => view.setInt8(at + 192 + index, scale),
    readStep: (view, at, i) => {
      const { low, lowShift, high, highShift } = q6Place(i);
      const bits = (view.getUint8(at + low) >> lowShift) & 15;
      return bits | (((view.getUint8(at + high) >> highShift) & 3) << 4);
    },
    writeStep: (view, at, i, step) => {
      const { low, lowShift, high, highShift } = q6Place(i);
      addBits(view, at + low, (step & 15) << lowShift);
      addBits(view, at + high, (step >> 4) << highShift);
    },
  },
} as const satisfies Record<string, SymmetricLayout>;

export function symmetricCodec(type: keyof typeof layouts): Codec {
  const layout: SymmetricLayout = layouts[type];
  const { half, fit, scaleHalf } = layout;
  const groups = superValues / group;
  const bytes = tensorTypes[type].blockBytes;
  const encodeBlock = (own: Float32Array, target: DataView, at: number): void => {
    const steps = new Uint8Array(superValues);
    const scales = Array.from({ length: groups }, (_, index) =>
      fit(
        own.subarray(index * group, (index + 1) * group),
        half,
        steps.subarray(index * group, (index + 1) * group),
      ),
    );
    const extreme = scales.reduce((most, scale) => (abs(scale) > abs(most) ? scale : most), 0);
    if (extreme !== 0) {
      const inverse = fround(-scaleHalf / extreme);
      target.setFloat16(at + layout.unit, fround(1 / inverse), true);
      for (const [index, scale] of scales.entries())
        layout.writeScale(target, at, index, roundWithin(fround(inverse * scale), -scaleHalf, scaleHalf - 1));
    }
    for (let index = 0; index < groups; index += 1) {
      // As it is read back: what the half lost, the whole numbers make good.
      const size = sizeOf(target, at, index);
      if (size === 0) continue;
      for (let i = index * group; i < (index + 1) * group; i += 1)
        steps[i] = half + roundWithin(fround((own[i] as number) / size), -half, half - 1);
    }
    for (const [i, step] of steps.entries()) layout.writeStep(target, at, i, step);
  };
  const sizeOf = (view: DataView, at: number, index: number): number =>
    fround(view.getFloat16(at + layout.unit, true) * layout.readScale(view, at, index));
  const decodeBlock = (source: DataView, at: number, own: Float32Array): void => {
    for (let index = 0; index < groups; index += 1) {
      const size = sizeOf(source, at, index);
      for (let i = index * group; i < (index + 1) * group; i += 1)
        own[i] = size * (layout.readStep(source, at, i) - half);
    }
  };
  return superCodec({ bytes, encodeBlock, decodeBlock });
}
