import { type JobSpecInput, jobSpecSchema } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { layoutProblems } from './layout-problems.ts';

const train = { recipe: 'language-model' as const, data: ['a'], depth: 2, heads: 4, width: 128 };
const problemsOf = (more: Partial<JobSpecInput>) => layoutProblems(jobSpecSchema.parse({ train, ...more }));

describe('the layout of a training', () => {
  it.each([
    ['that divides', { parallel: { data: 2, tensor: 2, pipeline: 2 } }],
    ['of as many ranks as replicas say', { replicas: 8, parallel: { tensor: 4 } }],
    ['that grows and shrinks', { replicas: 3, minReplicas: 1 }],
    ['of threads', { parallel: { data: 2, tensor: 2, ranksAs: 'threads' } }],
    [
      'of another recipe',
      { train: { recipe: 'prepare', data: ['a'], into: 'tokens' }, parallel: { tensor: 3 } },
    ],
  ] satisfies readonly (readonly [string, Partial<JobSpecInput>])[])('%s is taken', (_name, more) => {
    expect(problemsOf(more)).toEqual([]);
  });

  it.each([
    [
      'heads among tensor ranks',
      { parallel: { tensor: 3 } },
      'heads 4 does not divide among 3 tensor-parallel ranks.',
      'Set parallel.tensor to one of 1, 2, 4, or heads to a multiple of 3.',
    ],
    [
      'layers among stages',
      { parallel: { pipeline: 4 } },
      '4 pipeline stages are more than the 2 layers of the model.',
      'Set parallel.pipeline to 2 or less, or train.depth to 4.',
    ],
    [
      'ranks among replicas',
      { replicas: 5, parallel: { tensor: 2 } },
      'A layout of data 2 × tensor 2 × pipeline 1 needs 4 ranks, and there are 5.',
      'Set parallel.data to 2, or leave replicas out.',
    ],
    [
      'threads of one process',
      { parallel: { tensor: 3, ranksAs: 'threads' } },
      'heads 4 does not divide among 3 tensor-parallel ranks.',
      'Set parallel.tensor to one of 1, 2, 4, or heads to a multiple of 3.',
    ],
  ] satisfies readonly (readonly [string, Partial<JobSpecInput>, string, string])[])(
    'that does not divide %s is refused with what would',
    (_name, more, message, hint) => {
      expect(problemsOf(more)).toEqual([{ path: 'parallel', message, hint }]);
    },
  );

  it('does not hide that the model itself has no shape', () => {
    expect(problemsOf({ train: { ...train, width: 130 } })).toMatchObject([
      { path: 'train', message: expect.stringContaining('does not divide into 4 heads') as string },
    ]);
  });
});
