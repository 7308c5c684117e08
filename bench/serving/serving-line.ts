import type { BenchLine } from '../bench-line.ts';

export type Measurement = readonly [
  ours: number,
  peer: number | undefined,
  peerName: string | undefined,
  bar: string,
  pass: boolean,
  unit: string,
  rounds: readonly number[],
];

/** Of rates and shares more is better, of times less. */
const more = new Set(['tok/s', 'tok/cpu-s', 'req/s', '%']);

export function servingLine(
  name: string,
  ...[ours, peer, peerName, bar, pass, unit, rounds]: Measurement
): BenchLine {
  const better = more.has(unit) ? 'more' : 'less';
  return { bench: 'serving', case: name, ours, peer, peerName, better, bar, pass, unit, rounds };
}
