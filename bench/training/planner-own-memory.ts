/**
 * The planner's peak memory of our own runtime: calibrated on one run, held against others of other depths, widths,
 * lengths and vocabularies, each in a process of its own.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Dialect } from '../../packages/training/src/autodiff/index.ts';
import { calibrateOwnMemory, ownPeakBytes } from '../../packages/training/src/planner/own-memory.ts';
import type { BenchLine } from '../bench-line.ts';
import { ownRunOf, type OwnSizes } from './own-runs.ts';

/** The reference step of issue 5, as for the time: named before any of the others was measured. */
const calibrationRun: OwnSizes = [6, 384, 6, 256, 8, 512];
const runs: readonly OwnSizes[] = [
  [4, 256, 4, 256, 8, 512],
  [4, 192, 6, 128, 8, 512],
  [8, 256, 4, 128, 16, 2_048],
  [2, 512, 8, 256, 4, 1_024],
  [6, 384, 6, 128, 4, 4_096],
  [4, 256, 4, 512, 4, 512],
];

interface Measured {
  readonly dialect: Dialect;
  readonly baseBytes: number;
  readonly peakBytes: number;
}

export function plannerOwnMemory(): Promise<BenchLine[]> {
  const first = measure(calibrationRun);
  const calibration = calibrateOwnMemory(ownRunOf(calibrationRun), first.dialect, first);
  const errors = runs.map((sizes) => {
    const { dialect, peakBytes } = measure(sizes);
    return 100 * Math.abs(ownPeakBytes(calibration, ownRunOf(sizes), dialect) / peakBytes - 1);
  });
  const ours = Math.max(...errors);
  return Promise.resolve([
    {
      bench: 'training',
      case: 'planner-own-memory',
      ours,
      peer: undefined,
      peerName: undefined,
      better: 'less',
      bar: '<= 5 %',
      pass: ours <= 5,
      unit: '% largest error',
      rounds: errors,
    },
  ]);
}

function measure(sizes: OwnSizes): Measured {
  const script = join(import.meta.dirname, 'own-memory-process.ts');
  return JSON.parse(execFileSync(process.execPath, [script, JSON.stringify(sizes)], { encoding: 'utf8' }));
}
