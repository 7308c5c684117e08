/**
 * One platform a prefix: another that shared it would clear away what it does not know. The name of the first one lies
 * in an object there.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '@gantry/contract';
import type { S3Bucket } from './s3-bucket.ts';

export async function claimPrefix(
  bucket: S3Bucket,
  prefix: string,
  owner: string,
  scratchDir: string,
): Promise<void> {
  const key = `${prefix}gantry-owner`;
  if ((await bucket.head(key)) === undefined) {
    await mkdir(scratchDir, { recursive: true, mode: 0o700 });
    const path = join(scratchDir, randomBytes(12).toString('hex'));
    await writeFile(path, `${owner}\n`);
    await bucket.putFile(key, path);
    await rm(path);
  }
  const text = Buffer.concat(await Array.fromAsync(await bucket.get(key))).toString();
  if (text.trim() === owner) return;
  throw new GantryError('in_use', `s3://${bucket.name}/${prefix} holds the blobs of another platform`, {
    hint: `give this one a prefix of its own; only if that platform is no more, delete ${key}`,
  });
}
