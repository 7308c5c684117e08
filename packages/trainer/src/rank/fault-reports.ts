/** What is told of a batch that was left out and of a checkpoint that could not be written, while training goes on. */
import type { SaveOutcome } from '../checkpoint/index.ts';
import type { Report } from './report-writer.ts';
import type { BadBatchReport } from './train-loop.ts';

type FailedSave = Exclude<SaveOutcome, { kind: 'saved' }>;

export function failedSaveReport(
  { step, error, isDiskFull }: FailedSave,
  savedStep: number,
  runDirectory: string,
): Report {
  return {
    type: 'fault',
    code: isDiskFull ? 'disk_full' : 'checkpoint_failed',
    message: `The checkpoint of step ${step} could not be written${isDiskFull ? ': the disk is full' : `: ${String(error)}`}. Training goes on; the checkpoint of step ${savedStep} is kept.`,
    hint: `Free space under ${runDirectory}.`,
  };
}

/** Early stopping exports the best step; where that could not be kept, the last. */
export const lostBestReport = (step: number, problem: unknown): Report => ({
  type: 'fault',
  code: 'best_model_lost',
  message: `The parameters of step ${step}, the best so far, could not be kept: ${String(problem)}. Training goes on.`,
  hint: 'Free space in the run directory; the model of the last step is exported when none better can be kept.',
});

export function badBatchReport({ step, verdict, fromStep }: BadBatchReport): Report {
  const what =
    verdict.kind === 'spike'
      ? `The loss jumped to ${verdict.loss.toFixed(3)} at step ${step}, from ${verdict.median.toFixed(3)}`
      : `The ${verdict.of} was no number at step ${step}`;
  const then =
    fromStep < step - 1
      ? `training goes on from step ${fromStep} with the batches after it`
      : 'the batch was left out';
  return {
    type: 'fault',
    code: verdict.kind === 'spike' ? 'loss_spike' : 'nan_loss',
    message: `${what}; ${then}.`,
    hint: 'train.badBatch asks for this. If it happens often, lower train.learningRate.',
  };
}
