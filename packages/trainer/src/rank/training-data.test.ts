import { describe, expect, it } from 'vitest';
import { trainSchema } from '@gantry/contract';
import { cleaningOf, samplerOf, sourcesOf } from './training-data.ts';

const train = (fields: object): ReturnType<typeof trainSchema.parse> =>
  trainSchema.parse({ recipe: 'language-model', data: ['a'], ...fields });

describe('data of a job file', () => {
  it('plain patterns are one source of weight 1 before those with weights of their own', () => {
    const { data } = train({
      data: [
        'docs/*.md',
        { files: ['code/**'], weight: 3 },
        'more',
        { name: 'w', files: ['web'], weight: 0.5 },
      ],
    });
    expect(sourcesOf(data)).toEqual([
      { name: 'data', patterns: ['docs/*.md', 'more'], weight: 1 },
      { name: 'code/**', patterns: ['code/**'], weight: 3 },
      { name: 'w', patterns: ['web'], weight: 0.5 },
    ]);
  });

  it('cleans when it is asked to, duplicates first of all', () => {
    expect(cleaningOf(train({}).clean)).toBeUndefined();
    expect(cleaningOf(train({ clean: {} }).clean)).toEqual({
      quality: undefined,
      duplicates: true,
      nearDuplicates: 0.8,
      heldOut: [],
    });
    expect(cleaningOf(train({ clean: { quality: true, nearDuplicates: false } }).clean)).toMatchObject({
      quality: {},
      nearDuplicates: undefined,
    });
  });

  it('refuses a weight of nothing, an unknown rule and too many sources', () => {
    const parse = (fields: object): boolean =>
      trainSchema.safeParse({ recipe: 'language-model', data: ['a'], ...fields }).success;
    expect(parse({ data: [{ files: ['a'], weight: 0 }] })).toBe(false);
    expect(parse({ clean: { quality: { spelling: {} } } })).toBe(false);
    expect(parse({ data: Array.from({ length: 32 }, () => ({ files: ['a'], weight: 1 })) })).toBe(false);
  });

  it('reads sources in the proportion of their weights, whatever their sizes', () => {
    const shard = (tokens: number) => ({ path: '', dtype: 'u16' as const, tokens, digest: '', blocks: [] });
    const dataset = {
      sources: [
        { name: 'a', weight: 1, tokens: 0, shards: 2 },
        { name: 'b', weight: 3, tokens: 0, shards: 1 },
      ],
      train: { tokens: 0, shards: [shard(401), shard(801), shard(81)] },
    };
    const sampler = samplerOf(dataset as unknown as Parameters<typeof samplerOf>[0], 4, 1);
    const read = Array.from({ length: 2048 }, (_, position) => sampler.sequenceAt(position));
    expect(read.filter((sequence) => sequence < 300)).toHaveLength(512);
    expect(new Set(read.filter((sequence) => sequence >= 300)).size).toBe(20);
  });
});
