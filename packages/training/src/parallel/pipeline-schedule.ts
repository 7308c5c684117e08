/**
 * What one pipeline stage does in which order. GPipe (Huang et al. 2019): all forwards, then all backwards.
 * 1F1B (Narayanan et al. 2021, §2.2): after a warm-up each forward is followed by a backward; the same
 * bubble, but at most `stages` micro-batches in flight. Interleaved (the same, figure 4): a rank has several chunks
 * of layers, `stages` apart, and runs `stages` micro-batches through one before the next. Naive: one at a time.
 */
import type { PipelineSchedule } from './parallel-grid.ts';

export interface PipelineAction {
  readonly pass: 'forward' | 'backward';
  readonly microBatch: number;
  /** Of the rank's chunks of layers; 0 when it has one. */
  readonly chunk: number;
}

export interface PipelineShape {
  readonly schedule: PipelineSchedule;
  readonly stages: number;
  readonly microBatches: number;
  /** More than one with `interleaved` only. */
  readonly chunks: number;
}

export function pipelineActions(shape: PipelineShape, stage: number): PipelineAction[] {
  const { schedule, stages, microBatches, chunks } = shape;
  const count = microBatches * chunks;
  const warmUp = {
    naive: 1,
    gpipe: count,
    '1f1b': stages - stage,
    // The first backward pass may come when the last chunk of the last stage has its first micro-batch.
    interleaved: 2 * (stages - stage - 1) + (chunks - 1) * stages + 1,
  }[schedule];
  const orderOf = (index: number): Omit<PipelineAction, 'pass'> => {
    const round = stages * chunks;
    return chunks === 1
      ? { microBatch: index, chunk: 0 }
      : {
          microBatch: Math.floor(index / round) * stages + (index % stages),
          chunk: Math.floor((index % round) / stages),
        };
  };
  const actions: PipelineAction[] = [];
  const forward = (index: number): void => {
    if (index < count) actions.push({ pass: 'forward', ...orderOf(index) });
  };
  for (let index = 0; index < warmUp; index += 1) forward(index);
  for (let index = 0; index < count; index += 1) {
    const { microBatch, chunk } = orderOf(index);
    actions.push({ pass: 'backward', microBatch, chunk: chunks - 1 - chunk });
    forward(index + warmUp);
  }
  return actions;
}

/** The most micro-batches of each chunk whose activations are held at one time. */
export function microBatchesInFlight(actions: readonly PipelineAction[]): number[] {
  const held: number[] = [];
  const most: number[] = [];
  for (const { pass, chunk } of actions) {
    held[chunk] = (held[chunk] ?? 0) + (pass === 'forward' ? 1 : -1);
    most[chunk] = Math.max(most[chunk] ?? 0, held[chunk]);
  }
  return most;
}
