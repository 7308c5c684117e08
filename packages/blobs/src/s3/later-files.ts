/**
 * Files of a volume that come one by one, when a job asks for them. Which objects they are is written down beside the
 * folder when the prefix is listed, so a server that starts anew goes on with the very versions the job began with.
 */
import {
  chmod,
  constants,
  copyFile,
  link,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '@gantry/contract';
import type { ObjectCache } from './object-cache.ts';
import type { S3Bucket, S3Object } from './s3-bucket.ts';

export type LaterFiles = Readonly<Record<string, S3Object>>;

export interface LaterOptions {
  readonly bucket: S3Bucket;
  readonly cache: ObjectCache;
  readonly scope: string;
  readonly signal: AbortSignal;
  readonly firstDelayMs?: number;
}

const listOf = (dir: string): string => `${dir}.later.json`;

export async function writeLater(dir: string, files: ReadonlyMap<string, S3Object>): Promise<void> {
  await writeFile(`${listOf(dir)}.tmp`, JSON.stringify(Object.fromEntries(files)));
  await rename(`${listOf(dir)}.tmp`, listOf(dir));
}

/** Undefined: the volume has none, or was never listed. */
export async function readLater(dir: string): Promise<LaterFiles | undefined> {
  const text = await readFile(listOf(dir), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as LaterFiles);
}

/** Puts the file into its folder, whole or not at all; answers its name in the cache. */
export async function fetchLater(
  dir: string,
  [path, object]: readonly [string, S3Object],
  { bucket, cache, scope, ...options }: LaterOptions,
): Promise<string> {
  await using held = await cache.hold(bucket, scope, object, options).catch((error: unknown) => {
    if (!(error instanceof GantryError && error.code === 'version_conflict')) throw error;
    throw new GantryError(
      'data_invalid',
      `s3://${bucket.name}/${object.key} was changed while a job read it`,
      {
        hint: 'write new data below a new prefix; what a job reads must stay as it is',
        cause: error,
      },
    );
  });
  const target = join(dir, path);
  const isThere = await stat(target).then(
    () => true,
    () => false,
  );
  if (isThere) return held.id;
  await link(held.path, `${target}.part`).catch(() => copyAside(held.path, `${target}.part`, object));
  await rename(`${target}.part`, target);
  return held.id;
}

/** Out of the folder; the cache may keep it, or make room. */
export const removeLater = (dir: string, path: string): Promise<void> => rm(join(dir, path), { force: true });

export async function copyAside(from: string, target: string, { modifiedMs }: S3Object): Promise<void> {
  await copyFile(from, target, constants.COPYFILE_FICLONE);
  await chmod(target, 0o644);
  await utimes(target, new Date(modifiedMs), new Date(modifiedMs));
}
