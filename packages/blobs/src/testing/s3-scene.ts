/** A server that answers as S3 does with its bucket `data`, a folder of a node, and prefixes of the one laid into the other. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createObjectCache, type ObjectCache } from '../s3/object-cache.ts';
import { parseS3Address } from '../s3/s3-address.ts';
import { type S3Bucket, openS3Bucket } from '../s3/s3-bucket.ts';
import { type FetchOptions, type VolumeProgress, fetchVolume, storeVolume } from '../s3/s3-volume.ts';
import { type S3Double, startS3Double } from './s3-double.ts';

export const patience = { attempts: 3, firstDelayMs: 1, silenceMs: 30_000 };

interface FetchWish extends Partial<FetchOptions> {
  readonly url?: string;
  readonly isWritable?: boolean;
  readonly onDemand?: readonly string[];
}

export class S3Scene implements AsyncDisposable {
  readonly double: S3Double;
  readonly dir: string;
  readonly bucket: S3Bucket;
  readonly signal = new AbortController().signal;

  constructor(double: S3Double, dir: string) {
    this.double = double;
    this.dir = dir;
    this.bucket = openS3Bucket(double.settings, 'data', patience);
  }

  cacheOf(limitBytes = 10_000): ObjectCache {
    return createObjectCache(join(this.dir, 'cache'), limitBytes);
  }

  /** Objects that were asked for so far. */
  gets(): number {
    return this.double.requests.filter(({ method, key }) => method === 'GET' && key !== '').length;
  }

  async fetch(
    name: string,
    { url = 's3://data/corpus', isWritable = false, onDemand = [], ...options }: FetchWish = {},
  ): Promise<VolumeProgress> {
    const address = parseS3Address(url);
    await using bucket = openS3Bucket(this.double.settings, address.bucket, patience);
    return await fetchVolume(
      { bucket, address, dir: join(this.dir, name), isWritable, onDemand },
      { cache: this.cacheOf(), scope: 'one', signal: this.signal, firstDelayMs: 1, ...options },
    );
  }

  async store(name: string, url = 's3://data/corpus'): ReturnType<typeof storeVolume> {
    const address = parseS3Address(url);
    await using bucket = openS3Bucket(this.double.settings, address.bucket, patience);
    const volume = { bucket, address, dir: join(this.dir, name), isWritable: true };
    return await storeVolume(volume, this.signal);
  }

  textOf(name: string): Promise<string> {
    return readFile(join(this.dir, name), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bucket[Symbol.asyncDispose]();
    await this.double[Symbol.asyncDispose]();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export const openS3Scene = async (): Promise<S3Scene> =>
  new S3Scene(await startS3Double(), await mkdtemp(join(tmpdir(), 'gantry-s3-')));
