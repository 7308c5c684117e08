/**
 * Blobs on S3: an object each under its hash, written whole or not at all, read through the node's cache. When one was
 * last needed says an empty object beside it (`used/…`), since S3 knows no other time than that of writing. Times are
 * the server's, told by the second: they are rounded up, so nothing looks older than it is.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { GantryError } from '@gantry/contract';
import type { BlobStore } from '@gantry/ports';
import { nameOfBlob } from '../blob-name.ts';
import { checkRange, nothing, verifiedFile } from '../read-file.ts';
import type { ObjectCache } from './object-cache.ts';
import type { S3Bucket, S3Object } from './s3-bucket.ts';

export interface S3BlobPlace {
  readonly bucket: S3Bucket;
  /** Empty, or it ends with a slash. */
  readonly prefix: string;
  /** Where blobs lie on their way; emptied at the start. */
  readonly dir: string;
  readonly cache: ObjectCache;
}

export function createS3BlobStore({ bucket, prefix, dir, cache }: S3BlobPlace): BlobStore {
  rmSync(dir, { recursive: true, force: true });
  const keyOf = (digest: string): string => `${prefix}${nameOfBlob(digest)}`;
  const markOf = (digest: string): string => `${prefix}used/${nameOfBlob(digest)}`;
  const signal = new AbortController().signal;
  // A put and a delete of the same blob look first and act then: one after the other.
  const tails = new Map<string, Promise<unknown>>();
  const inTurn = <T>(digest: string, act: () => Promise<T>): Promise<T> => {
    const mine = (tails.get(digest) ?? Promise.resolve()).then(act, act);
    const tail = mine
      .catch(() => undefined)
      .finally(() => tails.get(digest) === tail && tails.delete(digest));
    tails.set(digest, tail);
    return mine;
  };

  const found = async (digest: string): Promise<S3Object> => {
    const object = await bucket.head(keyOf(digest));
    if (object === undefined) throw new GantryError('not_found', `there is no blob ${digest}`);
    return object;
  };
  const usedAtMs = async (digest: string, object: S3Object): Promise<number> => {
    const mark = await bucket.head(markOf(digest));
    return Math.max(roundedUp(object), mark === undefined ? 0 : roundedUp(mark));
  };
  const mark = async (digest: string): Promise<void> => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const empty = join(dir, randomBytes(12).toString('hex'));
    try {
      await pipeline(nothing(), createWriteStream(empty));
      await bucket.putFile(markOf(digest), empty);
    } finally {
      await rm(empty, { force: true });
    }
  };

  return {
    put: async (source) => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const aside = join(dir, randomBytes(12).toString('hex'));
      try {
        const hash = createHash('sha256');
        await pipeline(hashed(source, hash), createWriteStream(aside, { mode: 0o600 }));
        const { size } = await stat(aside);
        const digest = `sha256:${hash.digest('hex')}`;
        await inTurn(digest, async () => {
          const known = await bucket.head(keyOf(digest));
          if (known?.bytes === size) await mark(digest);
          else await bucket.putFile(keyOf(digest), aside);
        });
        return { digest, bytes: size };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        throw new GantryError('disk_full', 'the disk is full; nothing was stored', {
          hint: 'blobs pass through the data directory on their way to S3: free space there',
          cause: error,
        });
      } finally {
        await rm(aside, { force: true });
      }
    },
    get: async (digest, range) => {
      const object = await found(digest);
      if (range === undefined) return throughCache(bucket, cache, object, digest, signal);
      checkRange(range);
      if (range.lengthBytes === 0 || range.fromByte >= object.bytes) return nothing();
      return bucket.get(object.key, { ...range, etag: object.etag });
    },
    has: async (digest) => (await bucket.head(keyOf(digest))) !== undefined,
    stat: async (digest) => {
      const object = await bucket.head(keyOf(digest));
      if (object === undefined) return undefined;
      return { bytes: object.bytes, usedAtMs: await usedAtMs(digest, object) };
    },
    markUsed: (digest) =>
      inTurn(digest, async () => {
        if ((await bucket.head(keyOf(digest))) !== undefined) await mark(digest);
      }),
    verify: async (digest) => {
      const { key, etag } = await found(digest);
      const hash = createHash('sha256');
      for await (const chunk of await bucket.get(key, { etag })) hash.update(chunk);
      return `sha256:${hash.digest('hex')}` === digest ? 'intact' : 'corrupt';
    },
    list: async function* () {
      for await (const { key } of bucket.list(`${prefix}sha256/`)) {
        const [, start = '', rest = ''] =
          /^sha256\/([0-9a-f]{2})\/([0-9a-f]{62})$/.exec(key.slice(prefix.length)) ?? [];
        if (rest !== '') yield `sha256:${start}${rest}`;
      }
    },
    delete: (digest, condition) =>
      inTurn(digest, async () => {
        const object = await bucket.head(keyOf(digest));
        if (object === undefined) return true;
        if (condition !== undefined && (await usedAtMs(digest, object)) >= condition.unusedSinceMs)
          return false;
        await bucket.delete(object.key);
        await bucket.delete(markOf(digest));
        return true;
      }),
  };
}

const roundedUp = ({ modifiedMs }: S3Object): number => modifiedMs + 999;

async function* hashed(
  source: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncIterable<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

/** A blob larger than the cache comes straight from S3. */
async function* throughCache(
  bucket: S3Bucket,
  cache: ObjectCache,
  object: S3Object,
  digest: string,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  if (object.bytes > cache.limitBytes) {
    yield* straight(bucket, object, digest);
    return;
  }
  await using held = await cache.hold(bucket, 'blobs', object, { signal });
  yield* verifiedFile(held.path, digest);
}

async function* straight(
  bucket: S3Bucket,
  { key, etag }: S3Object,
  digest: string,
): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of await bucket.get(key, { etag })) {
    hash.update(chunk);
    yield chunk;
  }
  if (`sha256:${hash.digest('hex')}` !== digest)
    throw new GantryError('blob_corrupt', `the bytes of ${digest} are damaged on S3`, {
      hint: 'import or train the model again',
    });
}
