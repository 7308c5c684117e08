import { type JobSpecInput, jobSpecSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { groupOfRank, heldBy, rankCount, rankGroups } from './rank-groups.ts';

const spec = (more: Partial<JobSpecInput>) => jobSpecSchema.parse({ command: 'serve', ...more });
const learner = { name: 'learner', replicas: 2, resources: { gpu: 1, cpu: 8, memory: 100 } };
const actor = { name: 'actor', replicas: 3, command: 'act' };

describe('groups of ranks', () => {
  it('are counted through in their order; what a group does not say is said by the job', () => {
    const groups = rankGroups(spec({ groups: [learner, actor], resources: { cpu: 2, memory: 10 } }));
    expect(groups.map(({ name, firstRank, count, command }) => [name, firstRank, count, command])).toEqual([
      ['learner', 0, 2, 'serve'],
      ['actor', 2, 3, 'act'],
    ]);
    expect(groups.map(({ resources }) => resources.cpu)).toEqual([8, 2]);
    expect([0, 1, 2, 4].map((rank) => groupOfRank(groups, rank).name)).toEqual([
      'learner',
      'learner',
      'actor',
      'actor',
    ]);
  });

  it('hold together what their ranks hold', () => {
    const mixed = spec({ groups: [learner, actor], resources: { cpu: 2, memory: 10 } });
    expect(rankCount(mixed)).toBe(5);
    expect(heldBy(mixed, [{ rank: 1 }, { rank: 2 }, { rank: 3 }])).toEqual({
      gpus: 1,
      cpus: 12,
      memoryBytes: 120,
    });
  });

  it('are one of equals where the job names none', () => {
    expect(rankGroups(spec({ replicas: 4, minReplicas: 2 }))).toMatchObject([
      { name: 'rank', count: 4, minCount: 2, firstRank: 0 },
    ]);
    expect(heldBy(spec({ replicas: 2, resources: { cpu: 3 } }), [{ rank: 0 }, { rank: 7 }]).cpus).toBe(6);
  });
});

describe('a job file with groups', () => {
  const problemOf = (input: object): string | undefined =>
    jobSpecSchema.safeParse(input).error?.issues[0]?.message;

  it('needs no command of its own where every group has one', () => {
    expect(problemOf({ groups: [actor, { name: 'other', command: 'x' }] })).toBeUndefined();
    expect(problemOf({ groups: [actor, { name: 'other' }] })).toContain('exactly one of');
  });

  it('is refused where groups contradict each other or the job', () => {
    expect(problemOf({ groups: [actor, actor] })).toBe('two groups are called "actor"');
    for (const more of [{ replicas: 2 }, { parallel: { data: 2 } }, { replicas: 4, minReplicas: 1 }])
      expect(problemOf({ command: 'x', groups: [actor], ...more })).toContain('say how many ranks');
    expect(problemOf({ train: { recipe: 'language-model', data: ['a'] }, groups: [learner] })).toBe(
      'are kinds of ranks of a command: a training counts its ranks by `parallel`',
    );
  });
});
