import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type S3Double, startS3Double } from '../testing/s3-double.ts';
import { createObjectCache } from './object-cache.ts';
import { parseS3Address } from './s3-address.ts';
import { openS3Bucket } from './s3-bucket.ts';
import { fetchLater, readLater, removeLater } from './later-files.ts';
import { type FetchOptions, type VolumeProgress, fetchVolume, isFetched, storeVolume } from './s3-volume.ts';

let double: S3Double;
let dir: string;
beforeEach(async () => {
  double = await startS3Double();
  dir = await mkdtemp(join(tmpdir(), 'gantry-s3-'));
});
afterEach(async () => {
  await double[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const patience = { attempts: 3, firstDelayMs: 1, silenceMs: 30_000 };
const signal = new AbortController().signal;
const cacheOf = (limitBytes = 10_000) => createObjectCache(join(dir, 'cache'), limitBytes);
const gets = (): number => double.requests.filter(({ method, key }) => method === 'GET' && key !== '').length;

async function fetch(
  name: string,
  {
    url = 's3://data/corpus',
    isWritable = false,
    onDemand = [],
    ...options
  }: Partial<FetchOptions> & {
    url?: string;
    isWritable?: boolean;
    onDemand?: readonly string[];
  } = {},
): Promise<VolumeProgress> {
  const address = parseS3Address(url);
  await using bucket = openS3Bucket(double.settings, address.bucket, patience);
  return await fetchVolume(
    { bucket, address, dir: join(dir, name), isWritable, onDemand },
    { cache: cacheOf(), scope: 'one', signal, firstDelayMs: 1, ...options },
  );
}
async function store(name: string, url = 's3://data/corpus') {
  const address = parseS3Address(url);
  await using bucket = openS3Bucket(double.settings, address.bucket, patience);
  return await storeVolume({ bucket, address, dir: join(dir, name), isWritable: true }, signal);
}
const textOf = (name: string): Promise<string> => readFile(join(dir, name), 'utf8');

describe('a prefix as a folder', () => {
  beforeEach(() => {
    for (const [key, text] of Object.entries({ 'a.txt': 'alpha', 'deep/er/b c+.txt': 'beta', 'deep/': '' }))
      double.put('data', `corpus/${key}`, text);
    double.put('data', 'corpus-other/x', 'not in it');
  });

  it('holds its objects by their names and nothing else', async () => {
    expect(await fetch('v')).toMatchObject({
      files: 2,
      bytes: 9,
      filesDone: 2,
      bytesDone: 9,
      cachedBytes: 0,
    });
    expect(await textOf('v/a.txt')).toBe('alpha');
    expect(await textOf('v/deep/er/b c+.txt')).toBe('beta');
    expect((await readdir(join(dir, 'v'))).sort()).toEqual(['a.txt', 'deep']);
    expect(await isFetched(join(dir, 'v'))).toBe(true);
  });

  it('comes from the node the second time, also for a later process, and what changed is fetched', async () => {
    await fetch('one');
    expect(await fetch('two')).toMatchObject({ cachedBytes: 9, bytesDone: 9 });
    expect(gets()).toBe(2);
    double.put('data', 'corpus/a.txt', 'ALPHA');
    expect(await fetch('three')).toMatchObject({ cachedBytes: 4 });
    expect(await textOf('three/a.txt')).toBe('ALPHA');
    expect(await textOf('one/a.txt')).toBe('alpha');
  });

  it('is not given from the node to somebody else', async () => {
    await fetch('one');
    expect(await fetch('two', { scope: 'other' })).toMatchObject({ cachedBytes: 0 });
  });

  it('is fetched once however many ask at once', async () => {
    const cache = cacheOf();
    await Promise.all(['1', '2', '3', '4'].map((name) => fetch(name, { cache })));
    expect(gets()).toBe(2);
    expect(await textOf('4/a.txt')).toBe('alpha');
  });

  it('is fetched again when somebody wrote to the cached file', async () => {
    await fetch('one');
    await writeFile(join(dir, 'one/a.txt'), 'EVIL!');
    await rm(join(dir, 'one'), { recursive: true });
    await fetch('two');
    expect(await textOf('two/a.txt')).toBe('alpha');
  });

  it.each([
    ['s3://data/nothing', 'data_missing', /nothing at/],
    ['s3://no-such-bucket/x', 'data_missing', /no such bucket/],
    ['s3://data/bad', 'data_invalid', /cannot be a file/],
    ['s3://data/both', 'data_invalid', /both as an object and as a folder/],
    ['s3://data/big', 'data_invalid', /this node takes/],
  ])('%s is refused: %s', async (url, code, message) => {
    double.put('data', 'bad/a//b', 'x');
    double.put('data', 'both/a', 'x');
    double.put('data', 'both/a/b', 'x');
    double.put('data', 'big/1', 'x'.repeat(9_000));
    double.put('data', 'big/2', 'x'.repeat(9_000));
    await expect(fetch('v', { url })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await isFetched(join(dir, 'v'))).toBe(false);
  });

  it('that changes while it is read is listed again', async () => {
    let isFirst = true;
    double.faultOf = ({ key }) => {
      if (key === 'corpus/a.txt' && isFirst) {
        isFirst = false;
        double.put('data', 'corpus/a.txt', 'newer');
      }
      return undefined;
    };
    await fetch('v');
    expect(await textOf('v/a.txt')).toBe('newer');
  });

  it('that never holds still is the platform’s to try again', async () => {
    double.faultOf = ({ key }) => {
      if (key === 'corpus/a.txt') double.put('data', key, String(Math.random()));
      return undefined;
    };
    await expect(fetch('v')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });
});

describe('the node’s cache', () => {
  const object = (name: string): string => {
    if (double.text('data', `${name}/o`) === undefined) double.put('data', `${name}/o`, name.repeat(400));
    return `s3://data/${name}`;
  };

  it('never holds more than its limit; what was used least recently goes first', async () => {
    const cache = cacheOf(1_000);
    for (const name of ['a', 'b', 'a', 'c']) {
      await fetch(name, { url: object(name), cache });
      await rm(join(dir, name), { recursive: true });
      expect((await cache.facts()).bytes).toBeLessThanOrEqual(1_000);
    }
    expect(await cache.facts()).toMatchObject({ fetchedBytes: 1_200, servedBytes: 400 });
    expect(await fetch('again', { url: object('a'), cache })).toMatchObject({ cachedBytes: 400 });
    expect(await fetch('anew', { url: object('b'), cache })).toMatchObject({ cachedBytes: 0 });
  });

  it('says what lies in it, until it is taken away', async () => {
    const held: string[] = [];
    const cache = cacheOf(1_000);
    for (const name of ['a', 'b', 'c']) {
      await fetch(name, { url: object(name), cache, onHeld: (id) => void held.push(id) });
      await rm(join(dir, name), { recursive: true });
    }
    expect(held.map((id) => cache.has(id))).toEqual([false, true, true]);
    const later = cacheOf(1_000);
    const { changes } = later;
    await later.facts();
    expect(held.map((id) => later.has(id))).toEqual([false, true, true]);
    expect(later.changes).not.toBe(changes);
  });

  it('keeps what a job sees, and says so when nothing else can go', async () => {
    const cache = cacheOf(1_000);
    await fetch('a', { url: object('a'), cache });
    await fetch('b', { url: object('b'), cache });
    await expect(fetch('c', { url: object('c'), cache })).rejects.toMatchObject({ code: 'disk_full' });
    await rm(join(dir, 'a'), { recursive: true });
    await fetch('c', { url: object('c'), cache });
    expect(await textOf('b/o')).toBe('b'.repeat(400));
  });

  it('remembers across processes what was used when', async () => {
    await fetch('a', { url: object('a'), cache: cacheOf(1_000) });
    await fetch('b', { url: object('b'), cache: cacheOf(1_000) });
    await rm(join(dir, 'a'), { recursive: true });
    await rm(join(dir, 'b'), { recursive: true });
    const old = new Date(0);
    for (const name of await readdir(join(dir, 'cache'))) {
      const path = join(dir, 'cache', name);
      const isB = (await readFile(path, 'utf8')).startsWith('b');
      if (isB) await utimes(path, old, (await stat(path)).mtime);
    }
    const cache = cacheOf(1_000);
    await fetch('c', { url: object('c'), cache });
    expect(await fetch('a', { url: object('a'), cache })).toMatchObject({ cachedBytes: 400 });
  });

  it('goes on with half a file that an earlier process left', async () => {
    const url = object('a');
    double.faultOf = ({ key }) => (key === 'a/o' ? { breakAfterBytes: 150 } : undefined);
    const abort = new AbortController();
    const onProgress = ({ bytesDone }: VolumeProgress): void => void (bytesDone > 0 && abort.abort());
    await expect(fetch('v', { url, signal: abort.signal, onProgress })).rejects.toThrow(/abort/);
    double.faultOf = () => undefined;
    await fetch('v', { url, cache: cacheOf() });
    expect(double.requests.at(-1)?.range).toMatch(/^bytes=\d+-$/);
    expect(await textOf('v/o')).toBe('a'.repeat(400));
  });
});

describe('a folder given back', () => {
  beforeEach(() => {
    double.put('data', 'corpus/kept', 'kept');
    double.put('data', 'corpus/changed', 'before');
    double.put('data', 'corpus/removed', 'still there');
  });

  it('writes what is new or changed, deletes nothing, and leaves the cache as it was', async () => {
    await fetch('v', { isWritable: true });
    await writeFile(join(dir, 'v/changed'), 'after!');
    await mkdir(join(dir, 'v/new'));
    await writeFile(join(dir, 'v/new/file'), 'made');
    await rm(join(dir, 'v/removed'));
    await symlink('/etc/hostname', join(dir, 'v/link'));
    expect(await store('v')).toMatchObject({
      files: 2,
      bytes: 10,
      notes: [expect.stringMatching(/^1 links/)],
    });
    expect(double.text('data', 'corpus/changed')).toBe('after!');
    expect(double.text('data', 'corpus/new/file')).toBe('made');
    expect(double.text('data', 'corpus/removed')).toBe('still there');
    expect(double.requests.filter(({ method }) => method === 'PUT')).toHaveLength(2);
    await fetch('again');
    expect(await textOf('again/kept')).toBe('kept');
  });

  it('may begin with a prefix that is not there yet', async () => {
    expect(await fetch('v', { url: 's3://data/fresh', isWritable: true })).toMatchObject({ files: 0 });
    await writeFile(join(dir, 'v/first'), '1');
    await store('v', 's3://data/fresh');
    expect(double.text('data', 'fresh/first')).toBe('1');
  });

  it('that was never fetched whole gives nothing back', async () => {
    await mkdir(join(dir, 'v'));
    await writeFile(join(dir, 'v/half'), 'x');
    expect(await store('v')).toMatchObject({ files: 0 });
  });
});

describe('the address', () => {
  it.each([
    ['s3://bucket', ''],
    ['s3://bucket/', ''],
    ['s3://bucket/a', 'a/'],
    ['s3://bucket/a/b/', 'a/b/'],
  ])('%s means the folder "%s"', (text, prefix) => {
    expect(parseS3Address(text)).toEqual({ bucket: 'bucket', prefix });
  });
  it.each([
    'bucket/x',
    's3:/bucket',
    's3://B/x',
    's3://bucket//x',
    's3://bucket/../x',
    's3://',
    'https://s3/x',
  ])('%s is refused with a hint', (text) => {
    expect(() => parseS3Address(text)).toThrow(/names no S3 prefix/);
  });
});

describe('files that come on demand', () => {
  const later = async (name: string, path: string, cache = cacheOf()): Promise<string> => {
    const { [path]: object } = (await readLater(join(dir, name))) ?? {};
    if (object === undefined) throw new Error(`${path} is not listed`);
    await using bucket = openS3Bucket(double.settings, 'data', patience);
    return await fetchLater(join(dir, name), [path, object], {
      bucket,
      cache,
      scope: 'one',
      signal,
      firstDelayMs: 1,
    });
  };
  const there = async (): Promise<string[]> =>
    (await readdir(join(dir, 'v'))).toSorted((a, b) => a.localeCompare(b));
  beforeEach(() => {
    double.put('data', 'corpus/manifest.json', '{}');
    for (const shard of ['a', 'b', 'c']) double.put('data', `corpus/${shard}.bin`, shard.repeat(6_000));
  });

  it('are listed and not fetched, come whole one by one, and leave room when they go', async () => {
    const cache = cacheOf();
    expect(await fetch('v', { cache, onDemand: ['*.bin'] })).toMatchObject({ files: 1, bytes: 2 });
    expect(await there()).toEqual(['manifest.json']);
    await later('v', 'a.bin', cache);
    expect(await textOf('v/a.bin')).toBe('a'.repeat(6_000));
    // Two do not fit beside each other: the first is in use.
    await expect(later('v', 'b.bin', cache)).rejects.toMatchObject({ code: 'disk_full' });
    await removeLater(join(dir, 'v'), 'a.bin');
    const id = await later('v', 'b.bin', cache);
    expect(cache.has(id)).toBe(true);
    expect(await there()).toEqual(['b.bin', 'manifest.json']);
    const before = gets();
    await later('v', 'b.bin', cache);
    expect(gets()).toBe(before);
  });

  it('stay the version that was listed; a new one under the old name is a fault with a hint', async () => {
    await fetch('v', { onDemand: ['*.bin'] });
    double.put('data', 'corpus/a.bin', 'x'.repeat(6_000));
    await expect(later('v', 'a.bin')).rejects.toMatchObject({
      code: 'data_invalid',
      hint: expect.stringMatching(/new prefix/),
    });
  });

  it('of more than the cache holds are no obstacle, but each must fit beside what is there at once', async () => {
    double.put('data', 'corpus/large.bin', 'l'.repeat(12_000));
    await expect(fetch('v', { onDemand: ['*.bin'] })).rejects.toMatchObject({
      message: expect.stringMatching(/needs at once/),
    });
  });
});
