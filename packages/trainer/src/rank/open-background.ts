/**
 * What the ranks say to each other while they compute: gradients that leave while earlier layers still run
 * (`parallel.overlap`), and under ZeRO 3 layers that come before their turn.
 */
import { groupsOf } from '@gantry/training/parallel';
import { BackgroundGroup } from '../group/index.ts';
import { OverlappedScatter, OverlappedSum, type ModelShard } from '../parallel/index.ts';
import { seesNoise } from './gradient-noise.ts';
import type { RankEnvironment } from './rank-environment.ts';
import type { TrainingPlan } from './training-plan.ts';
import { UserFault } from './user-fault.ts';

/** An eighth of the gradients, so that most of them leave early; more than this gains nothing over a few sends. */
const largestBucketBytes = 4 * 1024 * 1024;

/** All ranks call it; undefined where nothing is done beside the computing. */
export async function openBackground(
  { rendezvous, worldSize, rank }: RankEnvironment,
  plan: TrainingPlan,
  shard: ModelShard,
): Promise<BackgroundGroup | undefined> {
  const { overlap, limits } = plan;
  const { layout, arena, gradients, groups, grid, zero } = shard;
  const { reduceElements, prefetchElements = 0 } = limits ?? {};
  const isEarly = zero === 3 && prefetchElements > 0 && grid.data > 1;
  if (overlap && rendezvous.kind !== 'unix')
    throw new UserFault(
      'bad_layout',
      'parallel.overlap works between the processes of one machine.',
      'Leave parallel.overlap out for ranks that are threads or on several hosts.',
    );
  if (!(overlap || isEarly) || rendezvous.kind !== 'unix') return undefined;
  const { directory } = rendezvous;
  const members = groupsOf(grid).data;
  const background = await BackgroundGroup.open({
    rank,
    worldSize,
    members,
    directory,
    name: 'beside',
    arena,
  });
  if (overlap && zero > 0) {
    const copied = zero === 1 ? 0 : Math.max(...layout.units.map(({ from, to }) => to - from));
    const { exchange } = shard;
    shard.scatterWith(new OverlappedScatter({ background, exchange, data: groups.data, arena, copied }));
  }
  if (overlap && zero === 0) {
    const bucketBytes =
      reduceElements === undefined
        ? Math.min(largestBucketBytes, gradients.values.byteLength / 8)
        : reduceElements * 4;
    shard.sumWith(
      new OverlappedSum({
        background,
        layout,
        gradients: gradients.values,
        data: groups.data,
        bucketBytes,
        arena,
        isMeasured: seesNoise(shard, plan),
      }),
    );
  }
  return background;
}
