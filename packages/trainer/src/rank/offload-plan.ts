/** Whether what a job wants in files instead of memory goes together with the rest of it. */
import type { OffloadedKind } from '../offload/index.ts';
import type { OptimizerName } from '../parallel/index.ts';
import type { TrainingJob } from './training-job.ts';
import { UserFault } from './user-fault.ts';

export type OffloadPlan = NonNullable<NonNullable<TrainingJob['parallel']>['offload']>;

/** By optimiser: what of it lies in the file; undefined where it stays in memory. */
export const offloadedMoments: Readonly<Record<OptimizerName, readonly OffloadedKind[] | undefined>> = {
  adamw: ['first', 'second'],
  sgd: ['first'],
  muon: undefined,
  adafactor: undefined,
};

const staysBecause: Readonly<Record<string, string>> = {
  muon: 'it needs whole matrices of its momentum at a time, not a chunk',
  adafactor: 'a row and a column of each matrix are less than the buffers of a file',
};

export function offloadOf({
  train,
  parallel,
}: Pick<TrainingJob, 'train' | 'parallel'>): OffloadPlan | undefined {
  const offload = parallel?.offload;
  if (offload === undefined) return undefined;
  const zero = parallel?.zero ?? 0;
  if (train.recipe === 'classifier')
    throw refuse('A classifier keeps its few moments in memory.', 'Leave parallel.offload out.');
  if (offloadedMoments[train.optimizer] === undefined)
    throw refuse(
      `What ${train.optimizer} keeps stays in memory: ${staysBecause[train.optimizer]}.`,
      'Set train.optimizer to adamw or sgd, or leave parallel.offload out.',
    );
  if (zero < 1)
    throw refuse(
      'Only what a rank owns is offloaded, and without ZeRO every rank has all of it.',
      'Set parallel.zero to 1, 2 or 3.',
    );
  if (offload.parameters && zero < 3)
    throw refuse(
      `Parameters are offloaded where ranks own parts of them; parallel.zero is ${zero}.`,
      'Set parallel.zero to 3, or parallel.offload.parameters to false.',
    );
  if (offload.parameters && train.warmStart !== undefined)
    throw refuse(
      'A warm start fills parameters in memory.',
      'Set parallel.offload.parameters to false for it; later attempts may have it.',
    );
  return offload;
}

function refuse(message: string, hint: string): UserFault {
  return new UserFault('bad_layout', message, hint);
}
