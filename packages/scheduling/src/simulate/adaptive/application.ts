/**
 * What was measured of one training application: how long a step takes on a placement, and how much
 * a step of some batch size is worth at each epoch. Columns and rules: the Pollux trace's README.
 */
import { readTable, TraceError } from '../trace-table.ts';
import { type Curve, interpolate } from './curve.ts';

interface Rules {
  epochs: number;
  /** The largest batch one device holds, where it is not the largest that was measured. */
  maxLocalBatch?: number;
  /** Adaptive policies run it with this batch on one device, always. */
  fixedBatch?: number;
}
const RULES: Readonly<Record<string, Rules>> = {
  bert: { epochs: 2 },
  cifar10: { epochs: 100 },
  ncf: { epochs: 10, fixedBatch: 32_768 },
  imagenet: { epochs: 90 },
  deepspeech2: { epochs: 80 },
  yolov3: { epochs: 50, maxLocalBatch: 8 },
};
export const APPLICATION_NAMES: readonly string[] = Object.keys(RULES);

export interface StepTime {
  stepSeconds: number;
  /** The part of it that waits for the other replicas. */
  syncSeconds: number;
}

export interface GradientStats {
  squared: number;
  variance: number;
}

/** The files of one application by name: `placements.csv`, `scalability.csv`, `validation-<batch>.csv`. */
export type ApplicationFiles = Readonly<Record<string, string>>;

interface Validation {
  batch: number;
  progress: number[];
  iteration: number[];
  stats: GradientStats[];
}

export class Application {
  readonly name: string;
  readonly epochs: number;
  readonly fixedBatch: number | undefined;
  readonly minLocalBatch: number;
  readonly maxLocalBatch: number;
  readonly initBatch: number;
  readonly maxBatch: number;
  /** By placement, rotated to its smallest form. */
  readonly #placements = new Map<string, Curve<StepTime>>();
  /** By nodes, then replicas. */
  readonly #sizes = new Map<number, Map<number, Curve<StepTime>>>();
  readonly #nodeCounts: number[];
  readonly #validations: Validation[];
  readonly #known = new Map<string, StepTime>();

  constructor(name: string, files: ApplicationFiles) {
    const rules = RULES[name];
    if (rules === undefined)
      throw new TraceError(`There is no application "${name}".`, `Known: ${APPLICATION_NAMES.join(', ')}.`);
    this.name = name;
    this.epochs = rules.epochs;
    this.fixedBatch = rules.fixedBatch;
    const file = (wanted: string): string => {
      const content = files[wanted];
      if (content === undefined)
        throw new TraceError(`Application "${name}" has no ${wanted}.`, 'Give the folder as published.');
      return content;
    };
    const bySize = new Map<string, { nodes: number; replicas: number; rows: [number, StepTime][] }>();
    const addSize = (nodes: number, replicas: number, batch: number, time: StepTime): void => {
      const key = `${nodes} ${replicas}`;
      const entry = bySize.get(key) ?? { nodes, replicas, rows: [] };
      entry.rows.push([batch, time]);
      bySize.set(key, entry);
    };
    const byPlacement = new Map<string, [number, StepTime][]>();
    let smallest = Infinity;
    let largest = 0;
    const times = ['local_bsz', 'step_time', 'sync_time'];
    for (const row of readTable(`${name}/placements.csv`, file('placements.csv'), ['placement', ...times])) {
      const counts = row.text('placement').split('').map(Number);
      const batch = row.amount('local_bsz');
      const time = { stepSeconds: row.amount('step_time'), syncSeconds: row.amount('sync_time') };
      const key = smallestRotation(counts);
      byPlacement.set(key, [...(byPlacement.get(key) ?? []), [batch, time]]);
      addSize(
        counts.length,
        counts.reduce((sum, count) => sum + count, 0),
        batch,
        time,
      );
      smallest = Math.min(smallest, batch);
      largest = Math.max(largest, batch);
    }
    for (const row of readTable(`${name}/scalability.csv`, file('scalability.csv'), [
      'num_nodes',
      'num_replicas',
      ...times,
    ]))
      addSize(row.amount('num_nodes'), row.amount('num_replicas'), row.amount('local_bsz'), {
        stepSeconds: row.amount('step_time'),
        syncSeconds: row.amount('sync_time'),
      });
    for (const [key, rows] of byPlacement) this.#placements.set(key, toCurve(rows));
    for (const { nodes, replicas, rows } of bySize.values()) {
      const sizes = this.#sizes.get(nodes) ?? new Map<number, Curve<StepTime>>();
      this.#sizes.set(nodes, sizes.set(replicas, toCurve(rows)));
    }
    this.#nodeCounts = [...this.#sizes.keys()].sort((a, b) => a - b);
    this.minLocalBatch = smallest;
    this.maxLocalBatch = rules.maxLocalBatch ?? largest;
    this.#validations = Object.entries(files)
      .flatMap(([path, content]) => {
        const batch = /^validation-(\d+)\.csv$/u.exec(path)?.[1];
        return batch === undefined ? [] : [toValidation(`${name}/${path}`, Number(batch), content)];
      })
      .sort((a, b) => a.batch - b.batch);
    const [first] = this.#validations;
    const last = this.#validations.at(-1);
    if (first === undefined || last === undefined)
      throw new TraceError(
        `Application "${name}" has no validation-<batch>.csv.`,
        'Give the folder as published.',
      );
    for (const { batch, progress } of this.#validations)
      if (progress.length < this.epochs)
        throw new TraceError(
          `${name}/validation-${batch}.csv has ${progress.length} epochs.`,
          `It needs ${this.epochs}.`,
        );
    this.initBatch = first.batch;
    this.maxBatch = last.batch;
  }

  /** Of one optimizer step without accumulation, each replica with `localBatch` examples. */
  stepTime(placement: readonly number[], localBatch: number): StepTime {
    const rotation = smallestRotation(placement);
    const key = `${rotation} ${localBatch}`;
    let time = this.#known.get(key);
    if (time === undefined) {
      const curve = this.#placements.get(rotation);
      const replicas = placement.reduce((sum, count) => sum + count, 0);
      time =
        curve === undefined
          ? this.#bySize(placement.length, replicas, localBatch)
          : interpolate(curve, localBatch, mixTimes);
      this.#known.set(key, time);
    }
    return time;
  }

  /** Between the two nearest numbers of nodes, at the same number of replicas a node. */
  #bySize(nodes: number, replicas: number, localBatch: number): StepTime {
    const density = replicas / nodes;
    const at = (count: number): StepTime => {
      const sizes = [...this.#sizes.get(count)!].sort(([a], [b]) => a - b);
      const curve: Curve<StepTime> = {
        at: sizes.map(([size]) => size),
        values: sizes.map(([, byBatch]) => interpolate(byBatch, localBatch, mixTimes)),
      };
      return interpolate(curve, density * count, mixTimes);
    };
    const counts = this.#nodeCounts;
    const above = counts.find((count) => count >= nodes) ?? counts.at(-1)!;
    const below = counts.findLast((count) => count <= nodes) ?? counts[0]!;
    if (above === below) return at(above);
    return mixTimes(at(below), at(above), (nodes - below) / (above - below));
  }

  /** Noise of the gradient while epoch `epoch` (from 0) is trained with this batch. */
  gradientStats(batch: number, epoch: number): GradientStats {
    return this.#overBatches(batch, ({ stats }) => stats[epoch]!, mixStats);
  }

  /** Progress at which `epoch` epochs are complete; the same for every batch size. */
  progressAfter(epoch: number): number {
    if (epoch === 0) return 0;
    return Math.min(...this.#validations.map(({ progress }) => progress[epoch - 1]!));
  }

  /** Steps of this batch size until `epoch` epochs are complete. */
  iterationsUntil(epoch: number, batch: number): number {
    if (epoch === 0) return 0;
    return this.#overBatches(batch, ({ iteration }) => iteration[epoch - 1]!, mixNumbers);
  }

  #overBatches<T>(
    batch: number,
    value: (validation: Validation) => T,
    mix: (a: T, b: T, part: number) => T,
  ): T {
    const curve: Curve<T> = {
      at: this.#validations.map((validation) => validation.batch),
      values: this.#validations.map(value),
    };
    return interpolate(curve, batch, mix);
  }
}

/** How much more progress a step makes at this batch than at the initial one (AdaScale's gain). */
export function stepGain({ squared, variance }: GradientStats, scale: number): number {
  return (variance + squared) / (variance / scale + squared);
}

export function smallestRotation(placement: readonly number[]): string {
  let best = placement.join('');
  for (let start = 1; start < placement.length; start++) {
    const rotated = [...placement.slice(start), ...placement.slice(0, start)].join('');
    if (rotated < best) best = rotated;
  }
  return best;
}

function toCurve(rows: readonly [number, StepTime][]): Curve<StepTime> {
  const byBatch = new Map<number, StepTime[]>();
  for (const [batch, time] of rows) byBatch.set(batch, [...(byBatch.get(batch) ?? []), time]);
  const sorted = [...byBatch].sort(([a], [b]) => a - b);
  const mean = (times: readonly StepTime[], of: (time: StepTime) => number): number =>
    times.reduce((sum, time) => sum + of(time), 0) / times.length;
  return {
    at: sorted.map(([batch]) => batch),
    values: sorted.map(([, times]) => ({
      stepSeconds: mean(times, (time) => time.stepSeconds),
      syncSeconds: mean(times, (time) => time.syncSeconds),
    })),
  };
}

function toValidation(name: string, batch: number, content: string): Validation {
  const rows = readTable(name, content, ['progress', 'iteration', 'grad_sqr', 'grad_var']);
  return {
    batch,
    progress: rows.map((row) => row.amount('progress')),
    iteration: rows.map((row) => row.amount('iteration')),
    stats: rows.map((row) => ({ squared: row.amount('grad_sqr'), variance: row.amount('grad_var') })),
  };
}

const mixNumbers = (a: number, b: number, part: number): number => a + (b - a) * part;
const mixTimes = (a: StepTime, b: StepTime, part: number): StepTime => ({
  stepSeconds: mixNumbers(a.stepSeconds, b.stepSeconds, part),
  syncSeconds: mixNumbers(a.syncSeconds, b.syncSeconds, part),
});
const mixStats = (a: GradientStats, b: GradientStats, part: number): GradientStats => ({
  squared: mixNumbers(a.squared, b.squared, part),
  variance: mixNumbers(a.variance, b.variance, part),
});
