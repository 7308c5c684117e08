/** What a node keeps of S3: for how long, for whom, and across processes. */
import { readFile, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openS3Scene, type S3Scene } from '../testing/s3-scene.ts';
import { type VolumeProgress } from './s3-volume.ts';

let scene: S3Scene;
beforeEach(async () => {
  scene = await openS3Scene();
});
afterEach(() => scene[Symbol.asyncDispose]());

describe('the node’s cache', () => {
  const object = (name: string): string => {
    if (scene.double.text('data', `${name}/o`) === undefined)
      scene.double.put('data', `${name}/o`, name.repeat(400));
    return `s3://data/${name}`;
  };

  it('never holds more than its limit; what was used least recently goes first', async () => {
    const cache = scene.cacheOf(1_000);
    for (const name of ['a', 'b', 'a', 'c']) {
      await scene.fetch(name, { url: object(name), cache });
      await rm(join(scene.dir, name), { recursive: true });
      expect((await cache.facts()).bytes).toBeLessThanOrEqual(1_000);
    }
    expect(await cache.facts()).toMatchObject({ fetchedBytes: 1_200, servedBytes: 400 });
    expect(await scene.fetch('again', { url: object('a'), cache })).toMatchObject({ cachedBytes: 400 });
    expect(await scene.fetch('anew', { url: object('b'), cache })).toMatchObject({ cachedBytes: 0 });
  });

  it('says what lies in it, until it is taken away', async () => {
    const held: string[] = [];
    const cache = scene.cacheOf(1_000);
    for (const name of ['a', 'b', 'c']) {
      await scene.fetch(name, { url: object(name), cache, onHeld: (id) => void held.push(id) });
      await rm(join(scene.dir, name), { recursive: true });
    }
    expect(held.map((id) => cache.has(id))).toEqual([false, true, true]);
    const later = scene.cacheOf(1_000);
    const { changes } = later;
    await later.facts();
    expect(held.map((id) => later.has(id))).toEqual([false, true, true]);
    expect(later.changes).not.toBe(changes);
  });

  it('keeps what a job sees, and says so when nothing else can go', async () => {
    const cache = scene.cacheOf(1_000);
    await scene.fetch('a', { url: object('a'), cache });
    await scene.fetch('b', { url: object('b'), cache });
    await expect(scene.fetch('c', { url: object('c'), cache })).rejects.toMatchObject({ code: 'disk_full' });
    await rm(join(scene.dir, 'a'), { recursive: true });
    await scene.fetch('c', { url: object('c'), cache });
    expect(await scene.textOf('b/o')).toBe('b'.repeat(400));
  });

  it('remembers across processes what was used when', async () => {
    await scene.fetch('a', { url: object('a'), cache: scene.cacheOf(1_000) });
    await scene.fetch('b', { url: object('b'), cache: scene.cacheOf(1_000) });
    await rm(join(scene.dir, 'a'), { recursive: true });
    await rm(join(scene.dir, 'b'), { recursive: true });
    const old = new Date(0);
    for (const name of await readdir(join(scene.dir, 'cache'))) {
      const path = join(scene.dir, 'cache', name);
      const isB = (await readFile(path, 'utf8')).startsWith('b');
      if (isB) await utimes(path, old, (await stat(path)).mtime);
    }
    const cache = scene.cacheOf(1_000);
    await scene.fetch('c', { url: object('c'), cache });
    expect(await scene.fetch('a', { url: object('a'), cache })).toMatchObject({ cachedBytes: 400 });
  });

  it('goes on with half a file that an earlier process left', async () => {
    const url = object('a');
    scene.double.faultOf = ({ key }) => (key === 'a/o' ? { breakAfterBytes: 150 } : undefined);
    const abort = new AbortController();
    const onProgress = ({ bytesDone }: VolumeProgress): void => void (bytesDone > 0 && abort.abort());
    await expect(scene.fetch('v', { url, signal: abort.signal, onProgress })).rejects.toThrow(/abort/);
    scene.double.faultOf = () => undefined;
    await scene.fetch('v', { url, cache: scene.cacheOf() });
    expect(scene.double.requests.at(-1)?.range).toMatch(/^bytes=\d+-$/);
    expect(await scene.textOf('v/o')).toBe('a'.repeat(400));
  });
});
