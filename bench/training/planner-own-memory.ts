/** The planner's peak memory of a rank of our own runtime, over shapes and layouts, after one calibration run. */
import { ownMemory } from '../../packages/training/src/planner/index.ts';
import type { BenchLine } from '../bench-line.ts';
import { largestErrorLine } from './largest-error.ts';
import { calibrated, layoutRuns, probed, shapeRuns } from './own-runs.ts';

const barPercent = 5;

export async function plannerOwnMemory(): Promise<BenchLine[]> {
  const { memory, dialect } = await calibrated('processor');
  const lines: BenchLine[] = [];
  for (const [name, runs] of Object.entries({ shapes: shapeRuns, layouts: layoutRuns })) {
    const errors: number[] = [];
    for (const run of runs) {
      const ranks = await probed(run);
      const peak = Math.max(...ranks.map(({ peakBytes }) => peakBytes));
      errors.push(100 * Math.abs(ownMemory(memory, { ...run, dialect }).total / peak - 1));
    }
    lines.push(largestErrorLine(`planner-own-memory-${name}`, errors, barPercent));
  }
  return lines;
}
