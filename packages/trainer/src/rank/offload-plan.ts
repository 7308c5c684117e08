/** Whether what a job wants in files instead of memory goes together with the rest of it. */
import type { TrainingJob } from './training-job.ts';
import { UserFault } from './user-fault.ts';

export type OffloadPlan = NonNullable<NonNullable<TrainingJob['parallel']>['offload']>;

export function offloadOf({
  train,
  parallel,
}: Pick<TrainingJob, 'train' | 'parallel'>): OffloadPlan | undefined {
  const offload = parallel?.offload;
  if (offload === undefined) return undefined;
  const zero = parallel?.zero ?? 0;
  if (train.recipe === 'classifier')
    throw refuse('A classifier keeps its few moments in memory.', 'Leave parallel.offload out.');
  if (train.optimizer !== 'adamw')
    throw refuse(
      `The moments of ${train.optimizer} stay in memory; those of adamw can be offloaded.`,
      'Set train.optimizer to adamw, or leave parallel.offload out.',
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
