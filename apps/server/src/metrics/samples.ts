import type { Labels, MetricFamily } from '@gantry/kit';

type Samples = readonly { readonly labels?: Labels; readonly value: number }[];

export const gauge = (name: string, help: string, samples: number | Samples): MetricFamily => ({
  name,
  help,
  type: 'gauge',
  samples: typeof samples === 'number' ? [{ value: samples }] : samples,
});

export const counter = (name: string, help: string, samples: number | Samples): MetricFamily => ({
  name,
  help,
  type: 'counter',
  samples: typeof samples === 'number' ? [{ value: samples }] : samples,
});

/** One sample a key, and a zero for those that are expected and absent: a series that comes and goes alerts badly. */
export function byLabel(
  label: string,
  counts: Readonly<Record<string, number>>,
  expected: readonly string[] = [],
): Samples {
  const zeros = Object.fromEntries(expected.map((key) => [key, 0]));
  return Object.entries({ ...zeros, ...counts }).map(([key, value]) => ({ labels: { [label]: key }, value }));
}
