/** Everything we ask of S3, asked of a real server: `npm run test:interop s3-server` starts one and runs this. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobStoreSuite } from '../blob-store.suite.ts';
import { fetchLater, readLater } from './later-files.ts';
import { createObjectCache } from './object-cache.ts';
import { createS3BlobStore } from './s3-blobs.ts';
import { openS3Bucket } from './s3-bucket.ts';
import { s3BucketSuite } from './s3-bucket.suite.ts';
import { readS3Environment } from './s3-settings.ts';
import { fetchVolume, storeVolume } from './s3-volume.ts';

const settings = readS3Environment(process.env);
const name = process.env['GANTRY_S3_TEST_BUCKET'] ?? '';
const bucket = openS3Bucket(settings, name);
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gantry-s3-real-'));
});
afterAll(async () => {
  await bucket[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});
const fresh = (): string => randomBytes(6).toString('hex');

s3BucketSuite('it', () => ({ settings, name }));

blobStoreSuite('it', () =>
  createS3BlobStore({
    bucket,
    prefix: `blobs-${fresh()}/`,
    dir: join(dir, fresh()),
    cache: createObjectCache(join(dir, 'cache'), 2 ** 30),
  }),
);

describe('volumes on it', () => {
  it('come, change and go back', async () => {
    const address = { bucket: name, prefix: `volume-${fresh()}/` };
    const signal = new AbortController().signal;
    const options = { cache: createObjectCache(join(dir, 'cache'), 2 ** 30), scope: 'one', signal };
    const writable = { bucket, address, dir: join(dir, fresh()), isWritable: true };
    await fetchVolume(writable, options);
    await mkdir(join(writable.dir, 'deep'));
    const bytes = randomBytes(40 * 1024 ** 2);
    await writeFile(join(writable.dir, 'deep/large'), bytes);
    await writeFile(join(writable.dir, 'small'), 'words');
    expect(await storeVolume(writable, signal)).toMatchObject({ files: 2 });
    const readable = { bucket, address, dir: join(dir, fresh()), isWritable: false };
    expect(await fetchVolume(readable, options)).toMatchObject({ filesDone: 2, cachedBytes: 0 });
    expect((await readFile(join(readable.dir, 'deep/large'))).equals(bytes)).toBe(true);
    expect(await fetchVolume({ ...readable, dir: join(dir, fresh()) }, options)).toMatchObject({
      cachedBytes: bytes.length + 5,
    });
    // One by one, when somebody asks.
    const lazy = { ...readable, dir: join(dir, fresh()), onDemand: ['deep/*'] };
    expect(await fetchVolume(lazy, options)).toMatchObject({ files: 1, bytes: 5 });
    const { 'deep/large': object } = (await readLater(lazy.dir)) ?? {};
    const own = { ...options, bucket, cache: createObjectCache(join(dir, fresh()), 2 ** 30) };
    await fetchLater(lazy.dir, ['deep/large', object ?? expect.fail('it is not listed')], own);
    expect((await readFile(join(lazy.dir, 'deep/large'))).equals(bytes)).toBe(true);
  });
});
