/**
 * One object → one file, at whatever speed and with however many breaks the network has: what is there already is
 * kept and the rest asked for, as long as the object is the same version. At the end size and MD5 must be the
 * object's; a single-part object's ETag is its MD5 (Amazon S3 API reference, "Object").
 */
import { type Hash, createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { GantryError } from '@gantry/contract';
import { pause } from '@gantry/kit';
import type { S3Bucket, S3Object } from './s3-bucket.ts';

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Bytes that arrived since the last call; negative when some had to be thrown away. */
  readonly onBytes?: (bytes: number) => void;
  readonly firstDelayMs?: number;
}

/** How often in a row nothing at all may arrive; every byte that does starts the count anew. */
const fruitlessAttempts = 5;
const damagedAttempts = 2;

export async function download(
  bucket: S3Bucket,
  object: S3Object,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const md5 = await fill(bucket, object, path, options);
    if (!/^[0-9a-f]{32}$/.test(object.etag) || md5 === object.etag) return;
    await rm(path, { force: true });
    options.onBytes?.(-object.bytes);
    if (attempt >= damagedAttempts)
      throw new GantryError('storage_unavailable', `s3://${bucket.name}/${object.key} arrives damaged`, {
        hint: `its MD5 is ${md5}, its ETag ${object.etag}; objects under SSE-KMS have no such ETag`,
      });
  }
}

/** Answers the MD5 of the file once it has all bytes. */
async function fill(
  bucket: S3Bucket,
  object: S3Object,
  path: string,
  { signal, onBytes, firstDelayMs = 200 }: DownloadOptions,
): Promise<string> {
  await using file = await open(path, 'a+', 0o644);
  const md5 = createHash('md5');
  let have = await hashOf(path, md5, file, object.bytes);
  onBytes?.(have);
  for (let fruitless = 0; have < object.bytes;) {
    const before = have;
    try {
      const read = { etag: object.etag, ...(have > 0 ? { fromByte: have } : {}) };
      for await (const chunk of await bucket.get(object.key, read, signal)) {
        if (have + chunk.byteLength > object.bytes) throw new Error('more bytes than the object has');
        await file.appendFile(chunk);
        md5.update(chunk);
        have += chunk.byteLength;
        onBytes?.(chunk.byteLength);
      }
      if (have < object.bytes) throw new Error('the answer ended early');
    } catch (error) {
      signal.throwIfAborted();
      const isFinal = error instanceof GantryError && error.code !== 'storage_unavailable';
      fruitless = have > before ? 0 : fruitless + 1;
      if (isFinal || isDiskFull(error) || fruitless >= fruitlessAttempts)
        throw readable(bucket, object, error);
      await pause(Math.min(5_000, firstDelayMs * 2 ** fruitless), signal);
      signal.throwIfAborted();
    }
  }
  await file.sync();
  return md5.digest('hex');
}

/** What an earlier download left; none of it when that is more than the object has. */
async function hashOf(path: string, md5: Hash, file: FileHandle, limitBytes: number): Promise<number> {
  const { size } = await file.stat();
  if (size > limitBytes) {
    await file.truncate(0);
    return 0;
  }
  if (size > 0) for await (const chunk of createReadStream(path)) md5.update(chunk as Uint8Array);
  return size;
}

const isDiskFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');

function readable(bucket: S3Bucket, { key }: S3Object, error: unknown): unknown {
  if (error instanceof GantryError) return error;
  if (isDiskFull(error))
    return new GantryError('disk_full', `no room for s3://${bucket.name}/${key}`, {
      hint: 'free space on the data directory, or lower the limit of the S3 cache',
      cause: error,
    });
  const why = error instanceof Error ? error.message : String(error);
  return new GantryError('storage_unavailable', `s3://${bucket.name}/${key} breaks off: ${why}`, {
    cause: error,
  });
}
