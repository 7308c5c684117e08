import type { BenchLine } from '../bench-line.ts';

/** A prediction's errors in percent, and the most they may be. */
export function largestErrorLine(name: string, errors: readonly number[], barPercent: number): BenchLine {
  const ours = Math.max(...errors);
  return {
    bench: 'training',
    case: name,
    ours,
    peer: undefined,
    peerName: undefined,
    better: 'less',
    bar: `<= ${barPercent} %`,
    pass: ours <= barPercent,
    unit: '% largest error',
    rounds: errors,
  };
}
