/**
 * Small changes that leave an image what it is, drawn anew each time it is learned from. One table of pure steps, in
 * the order in which they are made; numbers have mean 0 and deviation 1 by then, so 0 is the colour of nothing.
 */
import type { Random } from '@gantry/kit';
import { eachRow, type Picture } from './picture.ts';

export interface AugmentationAmounts {
  /** Turned left to right, half of the time. */
  readonly flip: boolean;
  /** Moved by up to so many places each way. */
  readonly shift: number;
  /** Up to so much more or less light, in deviations. */
  readonly brightness: number;
  /** Up to this share more or less contrast. */
  readonly contrast: number;
  /** Deviation of what is added to each number. */
  readonly noise: number;
  /** Side of a square that is taken out (DeVries and Taylor 2017). */
  readonly erase: number;
}

export type Augmentation = {
  readonly [Name in keyof AugmentationAmounts]?: AugmentationAmounts[Name] | undefined;
};

/** Changes the picture's numbers where they lie; `amount` is above 0. */
type Step<Amount> = (picture: Picture, amount: Amount, random: Random) => void;

const steps: { readonly [Name in keyof AugmentationAmounts]: Step<AugmentationAmounts[Name]> } = {
  flip: (picture, _amount, random) => {
    if (random.next() < 0.5) eachRow(picture, (from) => rowOf(picture, from).reverse());
  },
  shift: (picture, amount, random) => {
    const down = random.below(2 * amount + 1) - amount;
    const right = random.below(2 * amount + 1) - amount;
    const { height, width } = picture;
    const before = picture.values.slice();
    picture.values.fill(0);
    eachRow(picture, (from, row) => {
      const source = row - down;
      if (source < 0 || source >= height) return;
      const line = from - down * width;
      for (let column = Math.max(0, right); column < Math.min(width, width + right); column += 1)
        picture.values[from + column] = before[line + column - right] as number;
    });
  },
  brightness: ({ values }, amount, random) => {
    const more = amount * (2 * random.next() - 1);
    for (const at of values.keys()) values[at] = (values[at] as number) + more;
  },
  contrast: ({ values }, amount, random) => {
    const factor = 1 + amount * (2 * random.next() - 1);
    for (const at of values.keys()) values[at] = (values[at] as number) * factor;
  },
  noise: ({ values }, amount, random) => {
    for (const at of values.keys()) values[at] = (values[at] as number) + amount * gaussian(random);
  },
  erase: (picture, amount, random) => {
    const top = random.below(picture.height);
    const left = random.below(picture.width);
    const half = amount >> 1;
    eachRow(picture, (from, row) => {
      if (row >= top - half && row < top - half + amount)
        rowOf(picture, from).fill(0, Math.max(0, left - half), Math.max(0, left - half + amount));
    });
  },
};

export function augment(picture: Picture, amounts: Augmentation, random: Random): void {
  for (const name of Object.keys(steps) as (keyof AugmentationAmounts)[])
    applyStep(name, picture, amounts, random);
}

function applyStep<Name extends keyof AugmentationAmounts>(
  name: Name,
  picture: Picture,
  amounts: Augmentation,
  random: Random,
): void {
  const amount = amounts[name];
  if (amount !== undefined && amount !== false && amount !== 0) steps[name](picture, amount, random);
}

const rowOf = ({ values, width }: Picture, from: number): Float32Array => values.subarray(from, from + width);

/** Box and Muller. */
const gaussian = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
