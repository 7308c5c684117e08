/** Axes with round numbers: steps that people count in, never more than fit. */

export interface AxisUnit {
  readonly format: (value: number) => string;
  /** Steps to choose from, ascending; beyond the last, 1, 2 and 5 times a power of ten. */
  readonly steps?: readonly number[];
  /** Where the axis ends whatever the values are. */
  readonly most?: number;
}

interface Tick {
  readonly value: number;
  readonly text: string;
}

export interface ValueAxis {
  /** Where the axis ends; never below the largest value. */
  readonly most: number;
  readonly ticks: readonly Tick[];
}

const mostValueTicks = 5;
const mostTimeTicks = 10;
const [minute, hour, day] = [60, 3600, 86_400];

/** Of seconds. */
export const timeSteps: readonly number[] = [
  1,
  2,
  5,
  10,
  15,
  30,
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minute),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hour),
  ...[1, 2, 5, 7, 10, 14, 30, 60, 90, 180, 365].map((days) => days * day),
];

export function valueAxis(largest: number, { format, steps = [], most }: AxisUnit): ValueAxis {
  const wanted = Math.max(most ?? largest, 1e-9);
  const step = stepFor(wanted, mostValueTicks, steps);
  const count = Math.ceil(wanted / step - 1e-9);
  return {
    most: count * step,
    ticks: Array.from({ length: count + 1 }, (_, at) => ({
      value: at * step,
      text: at === 0 ? '0' : format(at * step),
    })),
  };
}

export function timeTicks(seconds: number): readonly Tick[] {
  const step = stepFor(seconds, mostTimeTicks, timeSteps);
  const [size, name] =
    step >= day ? [day, 'd'] : step >= hour ? [hour, 'h'] : step >= minute ? [minute, 'min'] : [1, 's'];
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, at) => ({
    value: at * step,
    text: at === 0 ? '0' : `${Math.round((at * step) / size)} ${name}`,
  }));
}

function stepFor(whole: number, most: number, steps: readonly number[]): number {
  const found = steps.find((step) => whole / step <= most);
  if (found !== undefined) return found;
  const power = 10 ** Math.floor(Math.log10(whole / most));
  return power * ([1, 2, 5, 10].find((factor) => whole / (factor * power) <= most) ?? 10);
}
