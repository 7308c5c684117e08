/**
 * The kinds of ranks that a job is made of. Ranks are counted through the groups in their order: group by group,
 * first the first. A job without `groups` is one group of equals, and only that may be elastic.
 */
import { rankProcesses, type JobSpec } from '@gantry/contract';

type Resources = JobSpec['resources'];

export interface RankGroup {
  readonly name: string;
  readonly count: number;
  readonly minCount: number;
  readonly firstRank: number;
  readonly resources: Resources;
  readonly command: JobSpec['command'];
}

export function rankGroups(spec: JobSpec): readonly RankGroup[] {
  const { groups, resources, command } = spec;
  if (groups === undefined) {
    const count = rankProcesses(spec);
    return [{ name: 'rank', count, minCount: spec.minReplicas ?? count, firstRank: 0, resources, command }];
  }
  let firstRank = 0;
  return groups.map((group) => {
    const { name, replicas: count } = group;
    const given = {
      name,
      count,
      minCount: count,
      firstRank,
      resources: group.resources ?? resources,
      command: group.command ?? command,
    };
    firstRank += count;
    return given;
  });
}

export const rankCount = (spec: JobSpec): number =>
  rankGroups(spec).reduce((sum, { count }) => sum + count, 0);

/** Of an elastic gang ranks may come after the last that its spec counts: they are of its only group. */
export const groupOfRank = <Group extends Pick<RankGroup, 'firstRank'>>(
  groups: readonly Group[],
  rank: number,
): Group => groups.findLast(({ firstRank }) => firstRank <= rank)!;

export interface HeldAmounts {
  readonly gpus: number;
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** What ranks hold together. */
export function heldBy(spec: JobSpec, placement: readonly { readonly rank: number }[]): HeldAmounts {
  const groups = rankGroups(spec);
  const held = { gpus: 0, cpus: 0, memoryBytes: 0 };
  for (const { rank } of placement) {
    const { resources } = groupOfRank(groups, rank);
    held.gpus += resources.gpu;
    held.cpus += resources.cpu;
    held.memoryBytes += resources.memory;
  }
  return held;
}
