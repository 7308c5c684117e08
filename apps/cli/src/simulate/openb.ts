/** `gantry simulate --trace openb`: how much of a GPU-sharing cluster a placement fills (Weng et al., ATC'23). */
import { OPENB_PLACEMENTS, parseOpenbNodes, parseOpenbPods, runOpenb } from '@gantry/scheduling/simulate';
import { table } from '../output.ts';
import { oneOf, readTrace } from './read-trace.ts';

export interface OpenbOptions {
  readonly nodesFile: string;
  readonly podsFile: string;
  readonly placement: string;
  readonly seeds: number;
}

export interface OpenbReport {
  readonly trace: 'openb';
  readonly placement: string;
  readonly seeds: number;
  readonly allocationPercentAt100: { readonly mean: number; readonly sd: number };
  readonly fragmentedPercentAt: Readonly<Record<'80' | '90' | '100', number>>;
  readonly secondsPerSeed: number;
}

/** The published runs use 42 and the numbers after it. */
const firstSeed = 42;
const marks = ['80', '90', '100'] as const;

export function simulateOpenb(options: OpenbOptions): OpenbReport {
  const placement = oneOf('placement', options.placement, Object.keys(OPENB_PLACEMENTS));
  const nodes = readTrace(options.nodesFile, parseOpenbNodes);
  const pods = readTrace(options.podsFile, parseOpenbPods);
  const startedMs = performance.now();
  const runs = Array.from({ length: options.seeds }, (_, index) =>
    runOpenb(nodes, pods, placement, firstSeed + index),
  );
  const secondsPerSeed = (performance.now() - startedMs) / 1000 / options.seeds;
  const allocated = runs.map((run) => run.allocationPercentAt100);
  const mean = average(allocated);
  const [at80 = 0, at90 = 0, at100 = 0] = marks.map((mark) =>
    average(runs.map((run) => run.fragmentedPercentAt[mark])),
  );
  return {
    trace: 'openb',
    placement,
    seeds: options.seeds,
    allocationPercentAt100: {
      mean,
      // Of a sample; one seed has none.
      sd:
        runs.length < 2
          ? 0
          : Math.sqrt(allocated.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (runs.length - 1)),
    },
    fragmentedPercentAt: { '80': at80, '90': at90, '100': at100 },
    secondsPerSeed,
  };
}

export const openbHeads: readonly string[] = [
  'placement',
  'seeds',
  'allocated at 100 %',
  ...marks.map((mark) => `fragmented at ${mark} %`),
  'a seed',
];

export const openbText = (report: OpenbReport): string => table(openbHeads, [openbRow(report)]);

export const openbRow = (report: OpenbReport): readonly string[] => [
  report.placement,
  String(report.seeds),
  `${report.allocationPercentAt100.mean.toFixed(2)} % ± ${report.allocationPercentAt100.sd.toFixed(2)}`,
  ...marks.map((mark) => `${report.fragmentedPercentAt[mark].toFixed(2)} %`),
  `${report.secondsPerSeed.toFixed(1)} s`,
];

const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
