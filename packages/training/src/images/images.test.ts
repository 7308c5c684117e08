import { createRandom } from '@gantry/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { augment, resize, type Augmentation, type Picture } from './index.ts';

const pictureOf = (channels: number, height: number, width: number): Picture => ({
  channels,
  height,
  width,
  values: Float32Array.from({ length: channels * height * width }, (_, at) => at + 1),
});
const changed = (picture: Picture, amounts: Augmentation, seed = 1): Float32Array => {
  const copy = { ...picture, values: picture.values.slice() };
  augment(copy, amounts, createRandom(seed));
  return copy.values;
};
const seeds = Array.from({ length: 200 }, (_, seed) => seed);

describe('another size of an image', () => {
  it('keeps an even colour even, and all colours within what was there', () => {
    const side = fc.integer({ min: 1, max: 24 });
    fc.assert(
      fc.property(side, side, side, side, (height, width, newHeight, newWidth) => {
        const even = resize(
          { ...pictureOf(3, height, width), values: new Float32Array(3 * height * width).fill(7) },
          newHeight,
          newWidth,
        );
        expect(even).toMatchObject({ channels: 3, height: newHeight, width: newWidth });
        for (const value of even.values) expect(value).toBeCloseTo(7, 4);
        const { values } = resize(pictureOf(1, height, width), newHeight, newWidth);
        for (const value of values) {
          expect(value).toBeGreaterThanOrEqual(1 - 1e-4);
          expect(value).toBeLessThanOrEqual(height * width + 1e-3);
        }
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it('passes over nothing: a checkerboard made small is grey', () => {
    const values = Float32Array.from({ length: 256 }, (_, at) => ((at % 16) + (at >> 4)) % 2);
    const { values: small } = resize({ channels: 1, height: 16, width: 16, values }, 4, 4);
    for (const value of small) expect(value).toBeCloseTo(0.5, 2);
  });

  it('is the same image at the same size', () => {
    const picture = pictureOf(2, 5, 7);
    expect([...resize(picture, 5, 7).values]).toEqual([...picture.values]);
  });
});

describe('changes that leave an image what it is', () => {
  const picture = pictureOf(2, 3, 4);

  it('follow from the seed alone, and without any nothing changes', () => {
    const all: Augmentation = { flip: true, shift: 1, brightness: 0.1, contrast: 0.1, noise: 0.1, erase: 2 };
    expect(changed(picture, all, 3)).toEqual(changed(picture, all, 3));
    expect(changed(picture, all, 3)).not.toEqual(changed(picture, all, 4));
    expect(changed(picture, {})).toEqual(picture.values);
    expect(changed(picture, { flip: false, shift: 0, noise: 0 })).toEqual(picture.values);
  });

  it('flip turns every row of every channel round, half of the time', () => {
    const turned = seeds.filter((seed) => changed(picture, { flip: true }, seed)[0] === 4);
    expect(turned.length).toBeGreaterThan(70);
    expect(turned.length).toBeLessThan(130);
    expect([...changed(picture, { flip: true }, turned[0])].slice(0, 8)).toEqual([4, 3, 2, 1, 8, 7, 6, 5]);
  });

  it('shift moves all channels alike, each way as far as it may, and what comes in is nothing', () => {
    const seen = new Set<string>();
    for (const seed of seeds) {
      const values = changed(picture, { shift: 1 }, seed);
      const at = values.findIndex((value) => value === 6);
      expect(values[12 + at]).toBe(18);
      seen.add(`${Math.floor(at / 4) - 1},${(at % 4) - 1}`);
    }
    expect(seen.size).toBe(9);
  });

  it('light and contrast stay within their bounds', () => {
    for (const seed of seeds) {
      const light = (changed(picture, { brightness: 0.5 }, seed)[0] ?? 0) - 1;
      expect(Math.abs(light)).toBeLessThanOrEqual(0.5);
      const contrast = (changed(picture, { contrast: 0.5 }, seed)[7] ?? 0) / 8;
      expect(Math.abs(contrast - 1)).toBeLessThanOrEqual(0.5);
    }
  });

  it('noise has the deviation that was asked for', () => {
    const even: Picture = { channels: 1, height: 100, width: 100, values: new Float32Array(10_000) };
    const values = changed(even, { noise: 0.3 });
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.sqrt(square)).toBeCloseTo(0.3, 1);
  });

  it('erase takes out a square of at most its size, in all channels', () => {
    for (const seed of seeds) {
      const values = changed(pictureOf(2, 6, 6), { erase: 3 }, seed);
      const gone = [...values.keys()].filter((at) => values[at] === 0);
      expect(gone.length).toBeGreaterThan(0);
      expect(gone.length).toBeLessThanOrEqual(18);
      expect(gone.filter((at) => at >= 36).map((at) => at - 36)).toEqual(gone.filter((at) => at < 36));
    }
  });
});
