/** What the planner's predictions of our own runtime are calibrated on and held against; each rank is a process. */
import { cpus, totalmem } from 'node:os';
import { runProbe, type ProbedRank } from '../../apps/cli/src/plan/run-probe.ts';
import { transformerShape } from '../../packages/training/src/model/index.ts';
import {
  calibrateOwn,
  narrowRun,
  oneRank,
  referenceRun,
  type OwnCalibration,
  type OwnLayout,
  type OwnRun,
} from '../../packages/training/src/planner/index.ts';

/** [depth, width, heads, T, B, V] */
type Sizes = readonly [number, number, number, number, number, number];

/** Other depths, widths, lengths and vocabularies than the reference step's. */
const shapes: readonly Sizes[] = [
  [4, 256, 4, 256, 8, 512],
  [4, 192, 6, 128, 8, 512],
  [8, 256, 4, 128, 16, 2_048],
  [2, 512, 8, 256, 4, 1_024],
  [6, 384, 6, 128, 4, 4_096],
  [4, 256, 4, 512, 4, 512],
];

const layouts: readonly Partial<OwnLayout>[] = [
  { microBatches: 4 },
  { recompute: 'layer' },
  { data: 2 },
  { data: 2, zero: 1 },
  { data: 2, zero: 2 },
  { data: 2, zero: 3 },
  { tensor: 2 },
  { pipeline: 2, microBatches: 4 },
  { pipeline: 2, microBatches: 4, schedule: 'gpipe' },
];

export interface NamedRun extends Omit<OwnRun, 'dialect'> {
  readonly name: string;
}

export const shapeRuns: readonly NamedRun[] = shapes.map((sizes) => ({
  name: sizes.join(' × '),
  ...runOf(sizes),
}));

/** Each on a shape that is no reference step either. */
export const layoutRuns: readonly NamedRun[] = layouts.map((layout) => ({
  ...runOf([4, 256, 4, 256, 4, 1_024]),
  name: Object.entries(layout).flat().join(' '),
  layout: { ...oneRank, ...layout },
}));

function runOf([depth, width, heads, time, sequences, vocabularySize]: Sizes): Omit<OwnRun, 'dialect'> {
  const config = transformerShape({ depth, width, heads, sequenceLength: time, vocabularySize });
  return { config, sequences, time, layout: oneRank };
}

const steps = 7;

export const probed = (run: Omit<OwnRun, 'dialect'>): Promise<ProbedRank[]> => runProbe(run, steps);

/** `processor`: by what the processor did, so that the machine's other work does not count. */
export async function calibrated(clock: 'wall' | 'processor'): Promise<OwnCalibration> {
  const cores = cpus().length;
  const byClock = (rank: ProbedRank): ProbedRank =>
    clock === 'wall' ? rank : { ...rank, seconds: { ...rank.seconds, ...rank.processorSeconds } };
  const [alone] = await probed(referenceRun(1));
  const [thin] = await probed(narrowRun());
  const together = await probed(referenceRun(cores));
  if (alone === undefined || thin === undefined) throw new Error('the probe said nothing');
  return calibrateOwn(byClock(alone), byClock(thin), together, {
    name: 'here',
    cores,
    memoryBytes: totalmem(),
  });
}
