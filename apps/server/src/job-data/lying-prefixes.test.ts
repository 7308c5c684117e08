import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createScratchDir } from '../e2e/testing/scratch-dir.ts';
import { LyingPrefixes } from './lying-prefixes.ts';

function cacheOf(...ids: string[]) {
  const objects = new Set(ids);
  let changes = 0;
  return {
    has: (id: string) => objects.has(id),
    get changes() {
      return changes;
    },
    evict: (id: string) => {
      objects.delete(id);
      changes += 1;
    },
  };
}

it('a prefix lies here while half of its bytes do, and the next server knows it', async () => {
  await using dir = await createScratchDir('lying');
  const file = join(dir.path, 'book.json');
  const cache = cacheOf('large', 'small', 'other');
  const book = new LyingPrefixes(file, cache);
  await book.note('s3://b/one', [
    ['small', 10],
    ['large', 90],
  ]);
  await book.note('s3://b/two', [['other', 1]]);
  expect(book.here()).toEqual(['s3://b/one', 's3://b/two']);
  const next = new LyingPrefixes(file, cache);
  expect(next.here()).toEqual(['s3://b/one', 's3://b/two']);
  cache.evict('small');
  expect(next.here()).toEqual(['s3://b/one', 's3://b/two']);
  cache.evict('large');
  expect(next.here()).toEqual(['s3://b/two']);
});

it.each(['', '{', '{"a":1}', '[["s3://b/one",[["x","large"]]],[1,2]]'])(
  'a book that says %j says nothing',
  async (text) => {
    await using dir = await createScratchDir('lying');
    const file = join(dir.path, 'book.json');
    await writeFile(file, text);
    expect(new LyingPrefixes(file, cacheOf('x')).here()).toEqual([]);
  },
);
