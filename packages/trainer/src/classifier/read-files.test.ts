import { createRandom } from '@gantry/kit';
import { expect, it } from 'vitest';
import { writePng } from '../testing/write-png.ts';
import { parseCsv } from './csv.ts';
import { decodePng } from './png.ts';

it('CSV fields may hold commas, quotes and line ends', () => {
  expect(parseCsv('a,b\r\n"1,5","say ""no"""\n\n"two\nlines",\n')).toEqual([
    ['a', 'b'],
    ['1,5', 'say "no"'],
    ['two\nlines', ''],
  ]);
});

const random = createRandom(1);
const pixels = (height: number, count: number, below = 256): number[][] =>
  Array.from({ length: height }, () => Array.from({ length: count }, () => random.below(below)));

it.each([
  ['grey', 0, 1, 1],
  ['grey with alpha', 4, 2, 1],
  ['RGB', 2, 3, 3],
  ['RGB with alpha', 6, 4, 3],
] as const)('a PNG in %s is read through every filter', (_name, colour, samples, channels) => {
  const [height, width] = [10, 7];
  const lines = pixels(height, width * samples);
  const image = decodePng(writePng(lines, { samples, colour }));
  expect(image).toMatchObject({ channels, height, width });
  for (const [row, line] of lines.entries())
    for (let column = 0; column < width; column += 1)
      for (let channel = 0; channel < channels; channel += 1)
        expect(image.values[(channel * height + row) * width + column]).toBe(
          line[column * samples + channel],
        );
});

it('a PNG with a palette has the palette’s colours', () => {
  const palette = [10, 20, 30, 40, 50, 60];
  const image = decodePng(writePng([[0, 1]], { samples: 1, colour: 3, palette }));
  expect([...image.values]).toEqual([10, 40, 20, 50, 30, 60]);
});

it('what is no such PNG is refused with a sentence', () => {
  const whole = writePng(pixels(4, 4), { samples: 1, colour: 0 });
  expect(() => decodePng(Buffer.from('GIF89a'))).toThrow('it is no PNG');
  expect(() => decodePng(whole.subarray(0, 45))).toThrow('ends in the middle');
  const deep = Buffer.from(whole);
  deep[24] = 16;
  expect(() => decodePng(deep)).toThrow('8-bit');
  const huge = Buffer.from(whole);
  huge.writeUInt32BE(100_000, 16);
  expect(() => decodePng(huge)).toThrow('4096 a side');
  const taller = Buffer.from(whole);
  taller.writeUInt32BE(5, 20);
  expect(() => decodePng(taller)).toThrow('fewer pixels');
});
