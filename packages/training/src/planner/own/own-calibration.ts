/**
 * What one calibration run says of a machine. The run is the reference step of the training benches (6 layers of 384,
 * 8 sequences of 256), once alone, once with a sixth of its width and once on every core: it was named before any prediction was held against a
 * measurement, and none is made of it.
 */
import { transformerShape } from '../../model/transformer-shape.ts';
import { gridAt, stageLayout } from '../../parallel/index.ts';
import { PlanError } from '../plan-error.ts';
import { calibrateOwnMemory, type OwnMemoryCalibration } from './own-memory.ts';
import { oneRank, type OwnRun } from './own-run.ts';
import { allReduceBytes, ownStepFlop, passBytes, type OwnStepCalibration } from './own-step.ts';

export interface OwnCalibration {
  readonly version: 1;
  readonly machine: string;
  /** Of all ranks together. */
  readonly memoryBytes: number;
  readonly dialect: OwnRun['dialect'];
  readonly memory: OwnMemoryCalibration;
  readonly step: OwnStepCalibration;
}

/** Medians over the steps of a rank. */
export interface MeasuredRank {
  readonly dialect: OwnRun['dialect'];
  readonly baseBytes: number;
  readonly peakBytes: number;
  readonly seconds: {
    readonly compute: number;
    readonly exchange: number;
    readonly update: number;
    /** A sum of sixteen numbers. */
    readonly smallSum: number;
  };
}

/** The same with a sixth of the width: there it is passes over memory, not products, that most of the time goes to. */
const narrow = { width: 64, heads: 2 } as const;

export function referenceRun(
  ranks: number,
  { width, heads } = { width: 384, heads: 6 },
): Omit<OwnRun, 'dialect'> {
  return {
    config: transformerShape({ depth: 6, width, heads, sequenceLength: 256, vocabularySize: 512 }),
    sequences: 8,
    time: 256,
    layout: { ...oneRank, data: ranks },
  };
}

export const narrowRun = (): Omit<OwnRun, 'dialect'> => referenceRun(1, narrow);

/** Products and passes, of two steps that have them in other shares. */
function computeRates(
  wide: OwnRun,
  wideSeconds: number,
  thinSeconds: number,
): { readonly flopSeconds: number; readonly passSeconds: number } {
  const thin: OwnRun = { ...narrowRun(), dialect: wide.dialect };
  const [flop, pass] = [ownStepFlop(wide), passBytes(wide)];
  const [thinFlop, thinPass] = [ownStepFlop(thin), passBytes(thin)];
  const both = flop * thinPass - thinFlop * pass;
  // No pass is free, and none of the reference step takes all of its time.
  const most = (0.5 * wideSeconds) / pass;
  const passSeconds = Math.min(most, Math.max(0, (flop * thinSeconds - thinFlop * wideSeconds) / both));
  return { flopSeconds: (wideSeconds - passSeconds * pass) / flop, passSeconds };
}

/** `together`: as many ranks as the machine has cores, data-parallel; empty where it has one. */
export function calibrateOwn(
  alone: MeasuredRank,
  thin: MeasuredRank,
  together: readonly MeasuredRank[],
  machine: { readonly name: string; readonly cores: number; readonly memoryBytes: number },
): OwnCalibration {
  const run: OwnRun = { ...referenceRun(1), dialect: alone.dialect };
  const rates = computeRates(run, alone.seconds.compute, thin.seconds.compute);
  const { length } = stageLayout(run.config, gridAt(run.layout, 0));
  // The slowest keeps the others waiting: what of their exchange is that is no exchange.
  const slowest = Math.max(alone.seconds.compute, ...together.map(({ seconds }) => seconds.compute));
  const sum = Math.min(...together.map(({ seconds }) => seconds.exchange));
  const startSeconds = together[0]?.seconds.smallSum ?? 0;
  const bytes = allReduceBytes(4 * length, Math.max(2, together.length));
  return {
    version: 1,
    machine: machine.name,
    memoryBytes: machine.memoryBytes,
    dialect: alone.dialect,
    memory: calibrateOwnMemory([
      { run, ...alone },
      ...together.map((rank) => ({
        run: { ...referenceRun(together.length), dialect: rank.dialect },
        ...rank,
      })),
    ]),
    step: {
      flopPerSecond: {
        alone: 1 / rates.flopSeconds,
        together: alone.seconds.compute / slowest / rates.flopSeconds,
      },
      passSecondsPerByte: rates.passSeconds,
      optimiserSecondsPerParameter: alone.seconds.update / length,
      exchange: {
        startSeconds,
        bytesPerSecond: together.length === 0 ? 1e9 : bytes / Math.max(1e-6, sum - startSeconds),
      },
      cores: machine.cores,
    },
  };
}

/** A file of numbers, as `gantry plan --calibrate` writes it. */
export function readOwnCalibration(name: string, value: unknown): OwnCalibration {
  const found = value as Partial<OwnCalibration> | null;
  const numbers = [
    found?.memoryBytes,
    found?.memory?.baseBytes,
    found?.memory?.nodeBytes,
    found?.step?.flopPerSecond?.alone,
    found?.step?.flopPerSecond?.together,
    found?.step?.passSecondsPerByte,
    found?.step?.optimiserSecondsPerParameter,
    found?.step?.exchange?.startSeconds,
    found?.step?.exchange?.bytesPerSecond,
    found?.step?.cores,
  ];
  const isSound =
    found?.version === 1 &&
    typeof found.machine === 'string' &&
    (found.dialect === 'blocked' || found.dialect === 'portable') &&
    numbers.every((number) => typeof number === 'number' && Number.isFinite(number) && number >= 0);
  if (isSound) return found as OwnCalibration;
  throw new PlanError(`${name} is no calibration.`, 'Write it with `gantry plan --calibrate`.');
}
