/** Files of a prefix that are listed first and come when they are asked for. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { patience, openS3Scene, type S3Scene } from '../testing/s3-scene.ts';
import { fetchLater, readLater, removeLater } from './later-files.ts';
import { openS3Bucket } from './s3-bucket.ts';

let scene: S3Scene;
beforeEach(async () => {
  scene = await openS3Scene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('files that come on demand', () => {
  const later = async (name: string, path: string, cache = scene.cacheOf()): Promise<string> => {
    const { [path]: object } = (await readLater(join(scene.dir, name))) ?? {};
    if (object === undefined) throw new Error(`${path} is not listed`);
    await using bucket = openS3Bucket(scene.double.settings, 'data', patience);
    return await fetchLater(join(scene.dir, name), [path, object], {
      bucket,
      cache,
      scope: 'one',
      signal: scene.signal,
      firstDelayMs: 1,
    });
  };
  const there = async (): Promise<string[]> =>
    (await readdir(join(scene.dir, 'v'))).toSorted((a, b) => a.localeCompare(b));
  beforeEach(() => {
    scene.double.put('data', 'corpus/manifest.json', '{}');
    for (const shard of ['a', 'b', 'c']) scene.double.put('data', `corpus/${shard}.bin`, shard.repeat(6_000));
  });

  it('are listed and not fetched, come whole one by one, and leave room when they go', async () => {
    const cache = scene.cacheOf();
    expect(await scene.fetch('v', { cache, onDemand: ['*.bin'] })).toMatchObject({ files: 1, bytes: 2 });
    expect(await there()).toEqual(['manifest.json']);
    await later('v', 'a.bin', cache);
    expect(await scene.textOf('v/a.bin')).toBe('a'.repeat(6_000));
    // Two do not fit beside each other: the first is in use.
    await expect(later('v', 'b.bin', cache)).rejects.toMatchObject({ code: 'disk_full' });
    await removeLater(join(scene.dir, 'v'), 'a.bin');
    const id = await later('v', 'b.bin', cache);
    expect(cache.has(id)).toBe(true);
    expect(await there()).toEqual(['b.bin', 'manifest.json']);
    const before = scene.gets();
    await later('v', 'b.bin', cache);
    expect(scene.gets()).toBe(before);
  });

  it('stay the version that was listed; a new one under the old name is a fault with a hint', async () => {
    await scene.fetch('v', { onDemand: ['*.bin'] });
    scene.double.put('data', 'corpus/a.bin', 'x'.repeat(6_000));
    await expect(later('v', 'a.bin')).rejects.toMatchObject({
      code: 'data_invalid',
      hint: expect.stringMatching(/new prefix/),
    });
  });

  it('of more than the cache holds are no obstacle, but each must fit beside what is there at once', async () => {
    scene.double.put('data', 'corpus/large.bin', 'l'.repeat(12_000));
    await expect(scene.fetch('v', { onDemand: ['*.bin'] })).rejects.toMatchObject({
      message: expect.stringMatching(/needs at once/),
    });
  });
});
