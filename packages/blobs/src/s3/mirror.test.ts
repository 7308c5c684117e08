import { mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type S3Scene, openS3Scene } from '../testing/s3-scene.ts';
import { type MirroredBytes, listVersions, mirrorVersion, restoreVersion } from './mirror.ts';

let scene: S3Scene;
beforeEach(async () => {
  scene = await openS3Scene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const place = () => ({ bucket: scene.bucket, prefix: 'runs/one/' });
const checkpoint = async (name: string, files: Readonly<Record<string, string>>): Promise<void> => {
  await mkdir(join(scene.dir, 'run', name, 'deep'), { recursive: true });
  for (const [path, text] of Object.entries(files)) await writeFile(join(scene.dir, 'run', name, path), text);
};
const mirror = (name: string, modifiedMs: number, keep = 2): Promise<MirroredBytes | undefined> =>
  mirrorVersion(place(), { root: join(scene.dir, 'run'), name, modifiedMs, keep, signal: scene.signal });
const keys = (): readonly string[] => [...(scene.double.buckets.get('data')?.keys() ?? [])];
const newest = async () => (await listVersions(place()))[0] ?? expect.fail('there is none');

describe('a folder’s versions on S3', () => {
  it('come back as they were', async () => {
    await checkpoint('ck/step-1', { 'a.bin': 'alpha', 'deep/b': 'beta' });
    expect(await mirror('ck/step-1', 1_000)).toEqual({ files: 2, bytes: 9, movedBytes: 9 });
    await rm(join(scene.dir, 'run'), { recursive: true });
    await restoreVersion(place(), await newest(), join(scene.dir, 'run'), scene.signal);
    expect(await readFile(join(scene.dir, 'run/ck/step-1/a.bin'), 'utf8')).toBe('alpha');
    expect(await readFile(join(scene.dir, 'run/ck/step-1/deep/b'), 'utf8')).toBe('beta');
    expect(await readdir(join(scene.dir, 'run/ck'))).toEqual(['step-1']);
  });

  it('may be a single file', async () => {
    await mkdir(join(scene.dir, 'run'));
    await writeFile(join(scene.dir, 'run/last.ckpt'), 'weights');
    await mirror('last.ckpt', 1);
    await rm(join(scene.dir, 'run/last.ckpt'));
    await restoreVersion(place(), await newest(), join(scene.dir, 'run'), scene.signal);
    expect(await readFile(join(scene.dir, 'run/last.ckpt'), 'utf8')).toBe('weights');
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
    scene.double.faultOf = ({ method, key }) =>
      method === 'PUT' && key.includes('/versions/') ? { status: 500, code: 'InternalError' } : undefined;
    await expect(mirror('step-2', 2)).rejects.toMatchObject({ code: 'storage_unavailable' });
    scene.double.faultOf = () => undefined;
    expect(await newest()).toMatchObject({ name: 'step-1' });
    await restoreVersion(place(), await newest(), join(scene.dir, 'back'), scene.signal);
    expect(await readFile(join(scene.dir, 'back/step-1/a'), 'utf8')).toBe('one');
  });

  it('are neither read nor written through a link out of the folder', async () => {
    await checkpoint('step-1', { a: 'one' });
    await mirror('step-1', 1);
    await mkdir(join(scene.dir, 'elsewhere/ck'), { recursive: true });
    await writeFile(join(scene.dir, 'elsewhere/ck/key'), 'secret');
    await symlink(join(scene.dir, 'elsewhere'), join(scene.dir, 'run/link'));
    await expect(mirror('link/ck', 2)).rejects.toMatchObject({ code: 'data_invalid' });
    const version = { ...(await newest()), name: 'link/ck' };
    await expect(
      restoreVersion(place(), version, join(scene.dir, 'run'), scene.signal),
    ).rejects.toMatchObject({
      code: 'data_invalid',
    });
    expect(await readFile(join(scene.dir, 'elsewhere/ck/key'), 'utf8')).toBe('secret');
  });

  it('that are damaged or lead elsewhere are not believed', async () => {
    await checkpoint('step-1', { a: 'one' });
    await mirror('step-1', 1);
    const file = keys().find((key) => key.includes('/files/')) ?? '';
    scene.double.put('data', file, 'ONE');
    await expect(
      restoreVersion(place(), await newest(), join(scene.dir, 'back'), scene.signal),
    ).rejects.toMatchObject({
      code: 'blob_corrupt',
    });
    expect(await readdir(join(scene.dir, 'back'))).toEqual(['.restoring-step-1']);
    scene.double.put(
      'data',
      'runs/one/versions/9.json',
      JSON.stringify({ ...(await newest()), name: '../../etc' }),
    );
    scene.double.put('data', 'runs/one/versions/8.json', 'no json');
    expect(await listVersions(place())).toHaveLength(1);
  });
});
