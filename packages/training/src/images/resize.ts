/**
 * Another height and width: each place is the mean of those that lie under a triangle around it, as wide as the step
 * between places where the image shrinks (so that nothing is passed over), and two places where it grows.
 */
import type { Picture } from './picture.ts';

interface Tap {
  readonly from: number;
  readonly weights: readonly number[];
}

export function resize(picture: Picture, height: number, width: number): Picture {
  const across = alongRows(picture, tapsOf(picture.width, width));
  return alongColumns(across, tapsOf(picture.height, height));
}

/** Which places of `before` make each of `after`, and what each counts; weights add up to 1. */
function tapsOf(before: number, after: number): readonly Tap[] {
  const step = before / after;
  const reach = Math.max(1, step);
  return Array.from({ length: after }, (_, place) => {
    const centre = (place + 0.5) * step - 0.5;
    const from = Math.max(0, Math.ceil(centre - reach));
    const to = Math.min(before - 1, Math.floor(centre + reach));
    const raw = Array.from({ length: to - from + 1 }, (__, at) =>
      Math.max(0, 1 - Math.abs(from + at - centre) / reach),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { from, weights: raw.map((weight) => weight / sum) };
  });
}

function alongRows({ channels, height, width, values }: Picture, taps: readonly Tap[]): Picture {
  const result = new Float32Array(channels * height * taps.length);
  for (let line = 0; line < channels * height; line += 1)
    for (const [place, { from, weights }] of taps.entries()) {
      let sum = 0;
      for (const [at, weight] of weights.entries())
        sum += weight * (values[line * width + from + at] as number);
      result[line * taps.length + place] = sum;
    }
  return { channels, height, width: taps.length, values: result };
}

function alongColumns({ channels, height, width, values }: Picture, taps: readonly Tap[]): Picture {
  const result = new Float32Array(channels * taps.length * width);
  for (let channel = 0; channel < channels; channel += 1)
    for (const [place, { from, weights }] of taps.entries())
      for (let column = 0; column < width; column += 1) {
        let sum = 0;
        for (const [at, weight] of weights.entries())
          sum += weight * (values[(channel * height + from + at) * width + column] as number);
        result[(channel * taps.length + place) * width + column] = sum;
      }
  return { channels, height: taps.length, width, values: result };
}
