/**
 * The newest reports of running jobs, in memory: a loss value a second is no state change and no row. What
 * must outlive the server (last checkpoint, artifact) is written by the reconciler; the rest is tailed again
 * from the report files after a restart.
 */
import type { Job, WorkerReport } from '@gantry/contract';
import type { SeenProgress } from './log-progress.ts';

export type Progress = NonNullable<Job['progress']>;

export interface MetricPoint {
  readonly at: string;
  readonly step: number;
  readonly loss: number | null;
}

/** What was read in the log of a worker that reports nothing itself. */
export function mergeSeen(before: Progress | undefined, seen: SeenProgress, at: string): Progress {
  const firstLoss = before?.firstLoss ?? seen.loss;
  return { ...before, ...seen, at, ...(firstLoss === undefined ? {} : { firstLoss }) };
}

export function mergeProgress(before: Progress | undefined, report: WorkerReport): Progress {
  const progress: Progress = { ...before, at: report.at };
  switch (report.type) {
    case 'progress': {
      const { type: _type, epoch: _epoch, ...values } = report;
      const firstLoss = before?.firstLoss ?? report.loss;
      return { ...progress, ...values, ...(firstLoss === undefined ? {} : { firstLoss }) };
    }
    case 'sample':
      return { ...progress, sample: { prompt: report.prompt, text: report.text } };
    case 'checkpoint':
      return { ...progress, checkpointStep: report.step, checkpointPath: report.path };
    case 'artifact':
      return { ...progress, ...heldOut(report.metrics) };
    case 'facts': {
      const device = report.values['device'];
      return typeof device === 'string' ? { ...progress, device } : progress;
    }
    case 'metric':
      return {
        ...progress,
        ...heldOut(report.values),
        ...arenaOf(report.values),
        ...stragglerOf(report.values),
      };
    case 'evaluation':
    case 'files':
    case 'fault':
      return progress;
  }
}

function arenaOf(values: Readonly<Record<string, unknown>>): Pick<Progress, 'memory'> {
  const of = (name: string): number => Number(values[`arena${name}Bytes`] ?? 0);
  if (values['arenaPeakBytes'] === undefined) return {};
  return {
    memory: {
      allocatedBytes: of('Allocated'),
      reservedBytes: of('Reserved'),
      peakBytes: of('Peak'),
      largestFreeBytes: of('LargestFree'),
    },
  };
}

/** A window of steps without one takes the name back. */
function stragglerOf(values: Readonly<Record<string, unknown>>): { straggler?: Progress['straggler'] } {
  const { stragglerRank: rank, stragglerSlowdown: slowdown } = values;
  if (rank === undefined) return {};
  return {
    straggler: typeof rank === 'number' && typeof slowdown === 'number' ? { rank, slowdown } : undefined,
  };
}

/** The loss on held-out files, and what a bigram model of the same tokens reaches there. */
function heldOut(values: Readonly<Record<string, unknown>>): Pick<Progress, 'validationLoss' | 'bigramLoss'> {
  const { validationLoss, bigramLoss } = values;
  return {
    ...(typeof validationLoss === 'number' ? { validationLoss } : {}),
    ...(typeof bigramLoss === 'number' ? { bigramLoss } : {}),
  };
}
