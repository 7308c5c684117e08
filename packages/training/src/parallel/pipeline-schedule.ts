/**
 * What one pipeline stage does in which order. GPipe (Huang et al. 2019): all forwards, then all backwards.
 * 1F1B (Narayanan et al. 2021, §2.2): after a warm-up each forward is followed by a backward; the same
 * bubble, but at most `stages` micro-batches in flight. Naive: one micro-batch at a time.
 */
import type { PipelineSchedule } from './parallel-grid.ts';

export interface PipelineAction {
  readonly pass: 'forward' | 'backward';
  readonly microBatch: number;
}

export function pipelineActions(
  schedule: PipelineSchedule,
  stage: number,
  stages: number,
  microBatches: number,
): PipelineAction[] {
  const warmUp = {
    naive: Math.min(1, microBatches),
    gpipe: microBatches,
    '1f1b': Math.min(microBatches, stages - stage),
  }[schedule];
  const actions: PipelineAction[] = [];
  for (let microBatch = 0; microBatch < warmUp; microBatch += 1)
    actions.push({ pass: 'forward', microBatch });
  for (let microBatch = 0; microBatch < microBatches; microBatch += 1) {
    actions.push({ pass: 'backward', microBatch });
    if (microBatch + warmUp < microBatches)
      actions.push({ pass: 'forward', microBatch: microBatch + warmUp });
  }
  return actions;
}

/** The most micro-batches whose activations are held at one time. */
export function microBatchesInFlight(actions: readonly PipelineAction[]): number {
  let held = 0;
  let most = 0;
  for (const { pass } of actions) {
    held += pass === 'forward' ? 1 : -1;
    most = Math.max(most, held);
  }
  return most;
}
