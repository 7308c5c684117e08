/** A prefix of a bucket as a folder of a job, and the folder given back. */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openS3Scene, type S3Scene } from '../testing/s3-scene.ts';
import { isFetched } from './s3-volume.ts';

let scene: S3Scene;
beforeEach(async () => {
  scene = await openS3Scene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('a prefix as a folder', () => {
  beforeEach(() => {
    for (const [key, text] of Object.entries({ 'a.txt': 'alpha', 'deep/er/b c+.txt': 'beta', 'deep/': '' }))
      scene.double.put('data', `corpus/${key}`, text);
    scene.double.put('data', 'corpus-other/x', 'not in it');
  });

  it('holds its objects by their names and nothing else', async () => {
    expect(await scene.fetch('v')).toMatchObject({
      files: 2,
      bytes: 9,
      filesDone: 2,
      bytesDone: 9,
      cachedBytes: 0,
    });
    expect(await scene.textOf('v/a.txt')).toBe('alpha');
    expect(await scene.textOf('v/deep/er/b c+.txt')).toBe('beta');
    expect((await readdir(join(scene.dir, 'v'))).sort()).toEqual(['a.txt', 'deep']);
    expect(await isFetched(join(scene.dir, 'v'))).toBe(true);
  });

  it('comes from the node the second time, also for a later process, and what changed is fetched', async () => {
    await scene.fetch('one');
    expect(await scene.fetch('two')).toMatchObject({ cachedBytes: 9, bytesDone: 9 });
    expect(scene.gets()).toBe(2);
    scene.double.put('data', 'corpus/a.txt', 'ALPHA');
    expect(await scene.fetch('three')).toMatchObject({ cachedBytes: 4 });
    expect(await scene.textOf('three/a.txt')).toBe('ALPHA');
    expect(await scene.textOf('one/a.txt')).toBe('alpha');
  });

  it('is not given from the node to somebody else', async () => {
    await scene.fetch('one');
    expect(await scene.fetch('two', { scope: 'other' })).toMatchObject({ cachedBytes: 0 });
  });

  it('is fetched once however many ask at once', async () => {
    const cache = scene.cacheOf();
    await Promise.all(['1', '2', '3', '4'].map((name) => scene.fetch(name, { cache })));
    expect(scene.gets()).toBe(2);
    expect(await scene.textOf('4/a.txt')).toBe('alpha');
  });

  it('is fetched again when somebody wrote to the cached file', async () => {
    await scene.fetch('one');
    await writeFile(join(scene.dir, 'one/a.txt'), 'EVIL!');
    await rm(join(scene.dir, 'one'), { recursive: true });
    await scene.fetch('two');
    expect(await scene.textOf('two/a.txt')).toBe('alpha');
  });

  it.each([
    ['s3://data/nothing', 'data_missing', /nothing at/],
    ['s3://no-such-bucket/x', 'data_missing', /no such bucket/],
    ['s3://data/bad', 'data_invalid', /cannot be a file/],
    ['s3://data/both', 'data_invalid', /both as an object and as a folder/],
    ['s3://data/big', 'data_invalid', /this node takes/],
  ])('%s is refused: %s', async (url, code, message) => {
    scene.double.put('data', 'bad/a//b', 'x');
    scene.double.put('data', 'both/a', 'x');
    scene.double.put('data', 'both/a/b', 'x');
    scene.double.put('data', 'big/1', 'x'.repeat(9_000));
    scene.double.put('data', 'big/2', 'x'.repeat(9_000));
    await expect(scene.fetch('v', { url })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await isFetched(join(scene.dir, 'v'))).toBe(false);
  });

  it('that changes while it is read is listed again', async () => {
    let isFirst = true;
    scene.double.faultOf = ({ key }) => {
      if (key === 'corpus/a.txt' && isFirst) {
        isFirst = false;
        scene.double.put('data', 'corpus/a.txt', 'newer');
      }
      return undefined;
    };
    await scene.fetch('v');
    expect(await scene.textOf('v/a.txt')).toBe('newer');
  });

  it('that never holds still is the platform’s to try again', async () => {
    scene.double.faultOf = ({ key }) => {
      if (key === 'corpus/a.txt') scene.double.put('data', key, String(Math.random()));
      return undefined;
    };
    await expect(scene.fetch('v')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });
});

describe('a folder given back', () => {
  beforeEach(() => {
    scene.double.put('data', 'corpus/kept', 'kept');
    scene.double.put('data', 'corpus/changed', 'before');
    scene.double.put('data', 'corpus/removed', 'still there');
  });

  it('writes what is new or changed, deletes nothing, and leaves the cache as it was', async () => {
    await scene.fetch('v', { isWritable: true });
    await writeFile(join(scene.dir, 'v/changed'), 'after!');
    await mkdir(join(scene.dir, 'v/new'));
    await writeFile(join(scene.dir, 'v/new/file'), 'made');
    await rm(join(scene.dir, 'v/removed'));
    await symlink('/etc/hostname', join(scene.dir, 'v/link'));
    expect(await scene.store('v')).toMatchObject({
      files: 2,
      bytes: 10,
      notes: [expect.stringMatching(/^1 link or other special file was/)],
    });
    expect(scene.double.text('data', 'corpus/changed')).toBe('after!');
    expect(scene.double.text('data', 'corpus/new/file')).toBe('made');
    expect(scene.double.text('data', 'corpus/removed')).toBe('still there');
    expect(scene.double.requests.filter(({ method }) => method === 'PUT')).toHaveLength(2);
    await scene.fetch('again');
    expect(await scene.textOf('again/kept')).toBe('kept');
  });

  it('may begin with a prefix that is not there yet', async () => {
    expect(await scene.fetch('v', { url: 's3://data/fresh', isWritable: true })).toMatchObject({ files: 0 });
    await writeFile(join(scene.dir, 'v/first'), '1');
    await scene.store('v', 's3://data/fresh');
    expect(scene.double.text('data', 'fresh/first')).toBe('1');
  });

  it('that was never fetched whole gives nothing back', async () => {
    await mkdir(join(scene.dir, 'v'));
    await writeFile(join(scene.dir, 'v/half'), 'x');
    expect(await scene.store('v')).toMatchObject({ files: 0 });
  });
});
