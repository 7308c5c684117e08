/** What runs beside the ranks' computing: gradients that leave while earlier layers are still computed. */
import { groupsOf } from '@gantry/training/parallel';
import { BackgroundGroup } from '../group/index.ts';
import { OverlappedSum, type ModelShard } from '../parallel/index.ts';
import type { RankEnvironment } from './rank-environment.ts';
import type { TrainingPlan } from './training-plan.ts';
import { UserFault } from './user-fault.ts';

/** An eighth of the gradients, so that most of them leave early; more than this gains nothing over a few sends. */
const largestBucketBytes = 4 * 1024 * 1024;

/** All ranks call it; undefined when the job does not ask for it. */
export async function openOverlap(
  { rendezvous, worldSize, rank }: RankEnvironment,
  plan: TrainingPlan,
  shard: ModelShard,
): Promise<AsyncDisposable | undefined> {
  if (!plan.overlap) return undefined;
  if (rendezvous.kind !== 'unix')
    throw new UserFault(
      'bad_layout',
      'parallel.overlap works between the processes of one machine.',
      'Leave parallel.overlap out for ranks that are threads or on several hosts.',
    );
  const { layout, arena, gradients, groups } = shard;
  const { directory } = rendezvous;
  const members = groupsOf(shard.grid).data;
  const background = await BackgroundGroup.open({ rank, worldSize, members, directory, name: 'sum', arena });
  const bucketBytes = Math.min(largestBucketBytes, gradients.values.byteLength / 8);
  shard.sumWith(
    new OverlappedSum({ background, layout, gradients: gradients.values, data: groups.data, bucketBytes }),
  );
  return background;
}
