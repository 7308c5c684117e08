import { Checkpointer } from '../checkpoint/index.ts';
import type { ModelShard } from '../parallel/index.ts';
import type { TrainingPlan } from './training-plan.ts';

/** Writes a rank's part of checkpoints, and keeps as many as the plan says. */
export function openCheckpointer({
  directory,
  shard,
  plan: { checkpoint },
  options: { beforeWrite },
}: {
  readonly directory: string;
  readonly shard: ModelShard;
  readonly plan: TrainingPlan;
  readonly options: { readonly beforeWrite?: (directory: string) => Promise<void> };
}): Checkpointer {
  return new Checkpointer({
    directory,
    shard,
    keep: checkpoint.keep,
    keepBest: checkpoint.keepBest,
    keepEvery: checkpoint.keepEvery,
    ...(beforeWrite === undefined ? {} : { beforeWrite }),
  });
}
