import { Checkpointer, type CheckpointerOptions } from '../checkpoint/index.ts';
import type { ModelShard } from '../parallel/index.ts';
import type { TrainingPlan } from './training-plan.ts';

/** Writes a rank's part of checkpoints, and keeps as many as the plan says. */
export function openCheckpointer({
  directory,
  shard,
  plan: { checkpoint },
  options: { beforeWrite, sinkBytesPerSecond },
}: {
  readonly directory: string;
  readonly shard: ModelShard;
  readonly plan: TrainingPlan;
  readonly options: Pick<CheckpointerOptions, 'beforeWrite' | 'sinkBytesPerSecond'>;
}): Checkpointer {
  return new Checkpointer({
    directory,
    shard,
    keep: checkpoint.keep,
    keepBest: checkpoint.keepBest,
    keepEvery: checkpoint.keepEvery,
    packing: checkpoint.pack,
    savesAtOnce: checkpoint.savesAtOnce,
    sinkBytesPerSecond,
    ...(beforeWrite === undefined ? {} : { beforeWrite }),
  });
}
