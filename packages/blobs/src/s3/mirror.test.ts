import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type S3Double, startS3Double } from '../testing/s3-double.ts';
import { type MirroredBytes, listVersions, mirrorVersion, restoreVersion } from './mirror.ts';
import { type S3Bucket, openS3Bucket } from './s3-bucket.ts';

let double: S3Double;
let dir: string;
let bucket: S3Bucket;
beforeEach(async () => {
  double = await startS3Double();
  dir = await mkdtemp(join(tmpdir(), 'gantry-s3-'));
  bucket = openS3Bucket(double.settings, 'data', { attempts: 3, firstDelayMs: 1, silenceMs: 30_000 });
});
afterEach(async () => {
  await bucket[Symbol.asyncDispose]();
  await double[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const signal = new AbortController().signal;
const place = () => ({ bucket, prefix: 'runs/one/' });
const checkpoint = async (name: string, files: Readonly<Record<string, string>>): Promise<void> => {
  await mkdir(join(dir, 'run', name, 'deep'), { recursive: true });
  for (const [path, text] of Object.entries(files)) await writeFile(join(dir, 'run', name, path), text);
};
const mirror = (name: string, modifiedMs: number, keep = 2): Promise<MirroredBytes | undefined> =>
  mirrorVersion(place(), { root: join(dir, 'run'), name, modifiedMs, keep, signal });
const keys = (): readonly string[] => [...(double.buckets.get('data')?.keys() ?? [])];
const newest = async () => (await listVersions(place()))[0] ?? expect.fail('there is none');

describe('a folder’s versions on S3', () => {
  it('come back as they were', async () => {
    await checkpoint('ck/step-1', { 'a.bin': 'alpha', 'deep/b': 'beta' });
    expect(await mirror('ck/step-1', 1_000)).toEqual({ files: 2, bytes: 9, movedBytes: 9 });
    await rm(join(dir, 'run'), { recursive: true });
    await restoreVersion(place(), await newest(), join(dir, 'run'), signal);
    expect(await readFile(join(dir, 'run/ck/step-1/a.bin'), 'utf8')).toBe('alpha');
    expect(await readFile(join(dir, 'run/ck/step-1/deep/b'), 'utf8')).toBe('beta');
    expect(await readdir(join(dir, 'run/ck'))).toEqual(['step-1']);
  });

  it('may be a single file', async () => {
    await mkdir(join(dir, 'run'));
    await writeFile(join(dir, 'run/last.ckpt'), 'weights');
    await mirror('last.ckpt', 1);
    await rm(join(dir, 'run/last.ckpt'));
    await restoreVersion(place(), await newest(), join(dir, 'run'), signal);
    expect(await readFile(join(dir, 'run/last.ckpt'), 'utf8')).toBe('weights');
  });

  it('share what did not change, are sent once, and give way to newer ones', async () => {
    await checkpoint('step-1', { 'a.bin': 'same', b: 'one' });
    await checkpoint('step-2', { 'a.bin': 'same', b: 'two' });
    await checkpoint('step-3', { 'a.bin': 'same', b: 'three' });
    expect(await mirror('step-1', 1)).toMatchObject({ movedBytes: 7 });
    expect(await mirror('step-1', 1)).toBeUndefined();
    expect(await mirror('step-2', 2)).toMatchObject({ movedBytes: 3 });
    expect(await mirror('step-3', 3)).toMatchObject({ movedBytes: 5 });
    expect((await listVersions(place())).map(({ name }) => name)).toEqual(['step-3', 'step-2']);
    expect(keys().filter((key) => key.includes('/files/'))).toHaveLength(3);
  });

  it('are none while their list is not there: a server that fails half-way leaves the last one', async () => {
    await checkpoint('step-1', { a: 'one' });
    await checkpoint('step-2', { a: 'two' });
    await mirror('step-1', 1);
    double.faultOf = ({ method, key }) =>
      method === 'PUT' && key.includes('/versions/') ? { status: 500, code: 'InternalError' } : undefined;
    await expect(mirror('step-2', 2)).rejects.toMatchObject({ code: 'storage_unavailable' });
    double.faultOf = () => undefined;
    expect(await newest()).toMatchObject({ name: 'step-1' });
    await restoreVersion(place(), await newest(), join(dir, 'back'), signal);
    expect(await readFile(join(dir, 'back/step-1/a'), 'utf8')).toBe('one');
  });

  it('are neither read nor written through a link out of the folder', async () => {
    await checkpoint('step-1', { a: 'one' });
    await mirror('step-1', 1);
    await mkdir(join(dir, 'elsewhere/ck'), { recursive: true });
    await writeFile(join(dir, 'elsewhere/ck/key'), 'secret');
    await symlink(join(dir, 'elsewhere'), join(dir, 'run/link'));
    await expect(mirror('link/ck', 2)).rejects.toMatchObject({ code: 'data_invalid' });
    const version = { ...(await newest()), name: 'link/ck' };
    await expect(restoreVersion(place(), version, join(dir, 'run'), signal)).rejects.toMatchObject({
      code: 'data_invalid',
    });
    expect(await readFile(join(dir, 'elsewhere/ck/key'), 'utf8')).toBe('secret');
  });

  it('that are damaged or lead elsewhere are not believed', async () => {
    await checkpoint('step-1', { a: 'one' });
    await mirror('step-1', 1);
    const file = keys().find((key) => key.includes('/files/')) ?? '';
    double.put('data', file, 'ONE');
    await expect(restoreVersion(place(), await newest(), join(dir, 'back'), signal)).rejects.toMatchObject({
      code: 'blob_corrupt',
    });
    expect(await readdir(join(dir, 'back'))).toEqual(['.restoring-step-1']);
    double.put(
      'data',
      'runs/one/versions/9.json',
      JSON.stringify({ ...(await newest()), name: '../../etc' }),
    );
    double.put('data', 'runs/one/versions/8.json', 'no json');
    expect(await listVersions(place())).toHaveLength(1);
  });
});
