/** K formats whose groups have a scale and a minimum: value = unit × scale × step − minimum unit × minimum. */
import { tensorTypes } from '@gantry/formats';
import { type Codec, roundWithin } from './codec.ts';
import { type AffineSearch, fitAffine, weighBySize, weighBySizeAndUsual } from './fit-scale.ts';
import { addBits, superCodec, superValues } from './k-super.ts';

const { fround } = Math;

type Pair = readonly [scale: number, minimum: number];

/** Places are bytes from the start of a block. */
interface AffineLayout {
  /** Values of a group. */
  readonly group: number;
  /** The largest scale or minimum of a group. */
  readonly most: number;
  readonly search: AffineSearch;
  /** Of the two halves. */
  readonly unit: number;
  readonly minimumUnit: number;
  readPair(view: DataView, at: number, index: number): Pair;
  writePair(view: DataView, at: number, index: number, pair: Pair): void;
  readStep(view: DataView, at: number, i: number): number;
  writeStep(view: DataView, at: number, i: number, step: number): void;
}

/** Eight pairs of six bits from byte 4 on: the first four have whole bytes, whose upper bits hold those of the last four. */
const sixBitPairs = {
  readPair: (view: DataView, at: number, index: number): Pair => {
    const byte = (offset: number): number => view.getUint8(at + 4 + offset);
    if (index < 4) return [byte(index) & 63, byte(index + 4) & 63];
    return [
      (byte(index + 4) & 15) | ((byte(index - 4) >> 6) << 4),
      (byte(index + 4) >> 4) | ((byte(index) >> 6) << 4),
    ];
  },
  writePair: (view: DataView, at: number, index: number, [scale, minimum]: Pair): void => {
    if (index < 4) {
      addBits(view, at + 4 + index, scale);
      addBits(view, at + 8 + index, minimum);
      return;
    }
    addBits(view, at + 8 + index, (scale & 15) | ((minimum & 15) << 4));
    addBits(view, at + index, (scale >> 4) << 6);
    addBits(view, at + 4 + index, (minimum >> 4) << 6);
  },
};

/** Two groups of 32 share 32 bytes from `low` on, one in each half of a byte. */
const lowPlace = (low: number, i: number) => ({
  byte: low + (i >> 6) * 32 + (i & 31),
  shift: 4 * ((i >> 5) & 1),
});

const wide = { group: 32, most: 63, unit: 0, minimumUnit: 2, ...sixBitPairs };
const bySquare = { isAbsolute: false, weigh: weighBySizeAndUsual };

const layouts = {
  Q2_K: {
    group: 16,
    most: 15,
    search: { highest: 3, first: -0.5, candidates: 15, isAbsolute: true, weigh: weighBySize },
    unit: 80,
    minimumUnit: 82,
    readPair: (view, at, index) => {
      const byte = view.getUint8(at + index);
      return [byte & 15, byte >> 4];
    },
    writePair: (view, at, index, [scale, minimum]) => addBits(view, at + index, scale | (minimum << 4)),
    // Each half of 128 values takes 32 bytes, two bits of every value.
    readStep: (view, at, i) =>
      (view.getUint8(at + 16 + (i >> 7) * 32 + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3,
    writeStep: (view, at, i, step) =>
      addBits(view, at + 16 + (i >> 7) * 32 + (i & 31), step << (2 * ((i >> 5) & 3))),
  },
  Q4_K: {
    ...wide,
    search: { highest: 15, first: -1, candidates: 20, ...bySquare },
    readStep: (view, at, i) => {
      const { byte, shift } = lowPlace(16, i);
      return (view.getUint8(at + byte) >> shift) & 15;
    },
    writeStep: (view, at, i, step) => {
      const { byte, shift } = lowPlace(16, i);
      addBits(view, at + byte, step << shift);
    },
  },
  Q5_K: {
    ...wide,
    search: { highest: 31, first: -0.5, candidates: 15, ...bySquare },
    // The fifth bits lie before: one byte for the values of the same place in all groups.
    readStep: (view, at, i) => {
      const { byte, shift } = lowPlace(48, i);
      const high = (view.getUint8(at + 16 + (i & 31)) >> (i >> 5)) & 1;
      return ((view.getUint8(at + byte) >> shift) & 15) | (high << 4);
    },
    writeStep: (view, at, i, step) => {
      const { byte, shift } = lowPlace(48, i);
      addBits(view, at + byte, (step & 15) << shift);
      addBits(view, at + 16 + (i & 31), (step >> 4) << (i >> 5));
    },
  },
} as const satisfies Record<string, AffineLayout>;

export function affineCodec(type: keyof typeof layouts): Codec {
  const layout: AffineLayout = layouts[type];
  const { group, most, search } = layout;
  const groups = superValues / group;
  const bytes = tensorTypes[type].blockBytes;
  const encodeBlock = (own: Float32Array, target: DataView, at: number): void => {
    const steps = new Uint8Array(superValues);
    const part = <Values extends Float32Array | Uint8Array>(values: Values, index: number): Values =>
      values.subarray(index * group, (index + 1) * group) as Values;
    const fits = Array.from({ length: groups }, (_, index) =>
      fitAffine(part(own, index), search, part(steps, index)),
    );
    const widest = Math.max(0, ...fits.map(({ scale }) => scale));
    const lowest = Math.max(0, ...fits.map(({ minimum }) => minimum));
    target.setFloat16(at + layout.unit, fround(widest / most), true);
    target.setFloat16(at + layout.minimumUnit, fround(lowest / most), true);
    const share = (value: number, of: number): number =>
      of > 0 ? roundWithin(fround(fround(most / of) * value), 0, most) : 0;
    for (const [index, fit] of fits.entries())
      layout.writePair(target, at, index, [share(fit.scale, widest), share(fit.minimum, lowest)]);
    for (let index = 0; index < groups; index += 1) {
      // As they are read back: what the halves lost, the whole numbers make good.
      const [size, offset] = sizesOf(target, at, index);
      if (size === 0) continue;
      for (let i = index * group; i < (index + 1) * group; i += 1)
        steps[i] = roundWithin(fround(fround((own[i] as number) + offset) / size), 0, search.highest);
    }
    for (const [i, step] of steps.entries()) layout.writeStep(target, at, i, step);
  };
  const sizesOf = (view: DataView, at: number, index: number): readonly [size: number, offset: number] => {
    const [scale, minimum] = layout.readPair(view, at, index);
    return [
      fround(view.getFloat16(at + layout.unit, true) * scale),
      fround(view.getFloat16(at + layout.minimumUnit, true) * minimum),
    ];
  };
  const decodeBlock = (source: DataView, at: number, own: Float32Array): void => {
    for (let index = 0; index < groups; index += 1) {
      const [size, offset] = sizesOf(source, at, index);
      for (let i = index * group; i < (index + 1) * group; i += 1)
        own[i] = size * layout.readStep(source, at, i) - offset;
    }
  };
  return superCodec({ bytes, encodeBlock, decodeBlock });
}
