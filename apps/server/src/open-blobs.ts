/**
 * The store of blobs a server was told to use, and the word in its data directory that says which: a server started
 * without that word, or with another, would find nothing of what its database names.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createBlobStore } from '@gantry/blobs';
import {
  type ObjectCache,
  claimPrefix,
  createS3BlobStore,
  formatS3Address,
  openS3Bucket,
  parseS3Address,
} from '@gantry/blobs/s3';
import { GantryError } from '@gantry/contract';
import type { BlobStore } from '@gantry/ports';
import type { S3Options } from './job-data/s3-access.ts';

export interface OpenedBlobs extends AsyncDisposable {
  readonly blobs: BlobStore;
  /** Throws when the prefix is another platform's. */
  readonly claim: (owner: string) => Promise<void>;
}

export async function openBlobs(
  dataDir: string,
  options: S3Options,
  cache: ObjectCache,
): Promise<OpenedBlobs> {
  const address = options.blobs === undefined ? undefined : parseS3Address(options.blobs);
  await keepWord(dataDir, address === undefined ? undefined : formatS3Address(address));
  if (address === undefined)
    return {
      blobs: createBlobStore(join(dataDir, 'blobs')),
      claim: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
  const bucket = openS3Bucket(options.settings, address.bucket);
  const dir = join(dataDir, 'blobs', 'incoming');
  return {
    blobs: createS3BlobStore({ bucket, prefix: address.prefix, dir, cache }),
    claim: (owner) => claimPrefix(bucket, address.prefix, owner, dir),
    [Symbol.asyncDispose]: () => bucket[Symbol.asyncDispose](),
  };
}

async function keepWord(dataDir: string, wanted: string | undefined): Promise<void> {
  const file = join(dataDir, 'blobs-at');
  const before = (await readFile(file, 'utf8').catch(() => undefined))?.trim();
  if (before === wanted) return;
  const refuse = (message: string, hint: string): GantryError =>
    new GantryError('data_missing', message, { hint });
  if (wanted === undefined)
    throw refuse(`the blobs of ${dataDir} lie at ${before}`, `start with --blobs ${before}`);
  if (before !== undefined)
    throw refuse(
      `the blobs of ${dataDir} lie at ${before}, not at ${wanted}`,
      `copy them there and write the new place into ${file}`,
    );
  if (existsSync(join(dataDir, 'blobs', 'sha256')))
    throw refuse(
      `${dataDir} holds blobs on disk already`,
      `copy ${join(dataDir, 'blobs', 'sha256')} to ${wanted}sha256 (the names are the same), then move it away`,
    );
  await writeFile(file, `${wanted}\n`);
}
