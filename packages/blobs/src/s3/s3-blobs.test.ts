import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '@gantry/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobStoreSuite } from '../blob-store.suite.ts';
import { type S3Scene, openS3Scene } from '../testing/s3-scene.ts';
import { claimPrefix } from './claim-prefix.ts';
import { createObjectCache } from './object-cache.ts';
import { createS3BlobStore } from './s3-blobs.ts';

let scene: S3Scene;
beforeEach(async () => {
  scene = await openS3Scene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const store = (limitBytes = 100_000): BlobStore =>
  createS3BlobStore({
    bucket: scene.bucket,
    prefix: 'blobs/',
    dir: join(scene.dir, 'incoming'),
    cache: createObjectCache(join(scene.dir, 'cache'), limitBytes),
  });
const from = async function* (...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
};
const read = async (blob: AsyncIterable<Uint8Array>): Promise<string> =>
  Buffer.concat(await Array.fromAsync(blob)).toString();

blobStoreSuite('S3', () => store());

describe('blobs on S3', () => {
  it('are fetched once a node, and straight when they are larger than its cache', async () => {
    const blobs = store(6);
    const [small, large] = [await blobs.put(from('small')), await blobs.put(from('a larger one'))];
    for (let round = 0; round < 2; round += 1)
      expect(await read(await blobs.get(small.digest))).toBe('small');
    expect(scene.gets()).toBe(1);
    for (let round = 0; round < 2; round += 1)
      expect(await read(await blobs.get(large.digest))).toBe('a larger one');
    expect(scene.gets()).toBe(3);
  });

  it('refuse to pass on damaged bytes', async () => {
    const blobs = store();
    const { digest } = await blobs.put(from('hello'));
    const [key = ''] = [...(scene.double.buckets.get('data')?.keys() ?? [])];
    scene.double.put('data', key, 'hellO');
    await expect(blobs.get(digest).then(read)).rejects.toMatchObject({ code: 'blob_corrupt' });
    expect(await blobs.verify(digest)).toBe('corrupt');
  });

  it('leave nothing behind when the source or the server fails', async () => {
    const failing = async function* (): AsyncIterable<Uint8Array> {
      yield new Uint8Array(10);
      throw new Error('source broke');
    };
    await expect(store().put(failing())).rejects.toThrow('source broke');
    scene.double.faultOf = ({ method }) =>
      method === 'PUT' ? { status: 500, code: 'InternalError' } : undefined;
    await expect(store().put(from('x'))).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await readdir(join(scene.dir, 'incoming'))).toEqual([]);
    expect(scene.double.buckets.get('data')?.size).toBe(0);
  });

  it('survive a server that fails now and then', async () => {
    let count = 0;
    scene.double.faultOf = () => ((count += 1) % 2 === 0 ? { status: 503, code: 'SlowDown' } : undefined);
    const blobs = store();
    const { digest } = await blobs.put(from('x'));
    expect(await read(await blobs.get(digest))).toBe('x');
  });

  it('are one platform’s', async () => {
    await claimPrefix(scene.bucket, 'blobs/', 'one', scene.dir);
    await claimPrefix(scene.bucket, 'blobs/', 'one', scene.dir);
    await expect(claimPrefix(scene.bucket, 'blobs/', 'two', scene.dir)).rejects.toMatchObject({
      code: 'in_use',
    });
  });
});
