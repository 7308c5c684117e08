/**
 * Versions of a folder on S3, as checkpoints are: files under their hash, so what did not change is not sent again,
 * and a list of each version that is written last. A version without its list is none; one that is being replaced
 * stays whole until the new one is. What no kept list names is taken away.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { GantryError } from '@gantry/contract';
import { z } from 'zod';
import { download } from './download.ts';
import { eachAtOnce } from './each-at-once.ts';
import type { S3Bucket } from './s3-bucket.ts';

export interface MirrorPlace {
  readonly bucket: S3Bucket;
  /** Of this folder alone; ends with a slash. */
  readonly prefix: string;
}

const path = z
  .string()
  .max(4096)
  .refine((text) => !text.split('/').some((part) => ['', '.', '..'].includes(part)) && !text.includes('\0'));
const versionSchema = z.object({
  /** Where it lies in the run's folder; a version may be a single file. */
  name: path,
  isFile: z.boolean(),
  modifiedMs: z.number(),
  files: z
    .array(
      z.object({
        path: path.or(z.literal('')),
        bytes: z.number().int().min(0),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .max(100_000),
});
export type MirroredVersion = z.output<typeof versionSchema> & { readonly key: string };

export interface MirroredBytes {
  readonly files: number;
  readonly bytes: number;
  /** What had to be sent or fetched. */
  readonly movedBytes: number;
}

const filesAtOnce = 4;
const listLimitBytes = 32 * 1024 ** 2;

/** Newest first; lists that cannot be read are passed over. */
export async function listVersions({ bucket, prefix }: MirrorPlace): Promise<readonly MirroredVersion[]> {
  const versions: MirroredVersion[] = [];
  for await (const { key, bytes } of bucket.list(`${prefix}versions/`)) {
    if (bytes > listLimitBytes) continue;
    const text = Buffer.concat(await Array.fromAsync(await bucket.get(key))).toString();
    const version = versionSchema.safeParse(parsed(text));
    if (version.success) versions.push({ ...version.data, key });
  }
  return versions.sort((one, other) => other.modifiedMs - one.modifiedMs || (one.key < other.key ? 1 : -1));
}

export interface ToMirror {
  readonly root: string;
  /** Below the root: a folder, or a file. */
  readonly name: string;
  readonly modifiedMs: number;
  /** How many versions stay. */
  readonly keep: number;
  readonly signal: AbortSignal;
}

/** Undefined when this version is there already. Throws `version_conflict` when the folder changes meanwhile. */
export async function mirrorVersion(
  place: MirrorPlace,
  { root, name, modifiedMs, keep, signal }: ToMirror,
): Promise<MirroredBytes | undefined> {
  const { bucket, prefix } = place;
  const before = await listVersions(place);
  const newest = before[0];
  if (newest?.name === name && newest.modifiedMs === modifiedMs) return undefined;
  const known = new Set(before.flatMap(({ files }) => files.map(({ sha256 }) => sha256)));
  const top = join(root, name);
  await insideOnly(root, top);
  const isFile = (await stat(top)).isFile();
  const paths = isFile ? [''] : await filesBelow(top);
  const files: MirroredVersion['files'] = [];
  let movedBytes = 0;
  await eachAtOnce(paths, filesAtOnce, signal, async (each, stop) => {
    const full = join(top, each);
    const { size, mtimeMs } = await stat(full);
    const sha256 = await hashOf(full);
    if (!known.has(sha256)) {
      await bucket.putFile(`${prefix}files/${sha256}`, full, stop);
      movedBytes += size;
    }
    const after = await stat(full);
    if (after.size !== size || after.mtimeMs !== mtimeMs)
      throw new GantryError('version_conflict', `${full} changed while it was copied`);
    files.push({ path: each, bytes: size, sha256 });
  });
  const version = { name, isFile, modifiedMs, files: files.sort((a, b) => (a.path < b.path ? -1 : 1)) };
  const list = join(root, `.mirror-${process.pid}.json`);
  await writeFile(list, JSON.stringify(version));
  const key = `${prefix}versions/${String(Math.round(modifiedMs)).padStart(16, '0')}.json`;
  try {
    await bucket.putFile(key, list, signal);
  } finally {
    await rm(list, { force: true });
  }
  await forgetOld(place, keep);
  return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), movedBytes };
}

/** Puts a version where it lay; whole or not at all. */
export async function restoreVersion(
  { bucket, prefix }: MirrorPlace,
  version: MirroredVersion,
  root: string,
  signal: AbortSignal,
): Promise<MirroredBytes> {
  const target = join(root, version.name);
  const aside = join(dirname(target), `.restoring-${basename(target)}`);
  await rm(aside, { recursive: true, force: true });
  await mkdir(dirname(aside), { recursive: true });
  await insideOnly(root, dirname(aside));
  await eachAtOnce(version.files, filesAtOnce, signal, async (file, stop) => {
    const full = join(aside, file.path);
    await mkdir(dirname(full), { recursive: true });
    const key = `${prefix}files/${file.sha256}`;
    const object = await bucket.head(key);
    if (object?.bytes !== file.bytes)
      throw new GantryError('blob_corrupt', `s3://${bucket.name}/${key} is not what its list says`);
    await download(bucket, object, full, { signal: stop });
    if ((await hashOf(full)) !== file.sha256)
      throw new GantryError('blob_corrupt', `s3://${bucket.name}/${key} is damaged`);
  });
  const time = new Date(version.modifiedMs);
  await utimes(aside, time, time);
  await rm(target, { recursive: true, force: true });
  await rename(aside, target);
  const bytes = version.files.reduce((sum, file) => sum + file.bytes, 0);
  return { files: version.files.length, bytes, movedBytes: bytes };
}

/** Lists go before what they name, so no list ever names what is gone. */
async function forgetOld(place: MirrorPlace, keep: number): Promise<void> {
  const { bucket, prefix } = place;
  const versions = await listVersions(place);
  for (const { key } of versions.slice(keep)) await bucket.delete(key);
  const named = new Set(versions.slice(0, keep).flatMap(({ files }) => files.map(({ sha256 }) => sha256)));
  for await (const { key } of bucket.list(`${prefix}files/`))
    if (!named.has(key.slice(`${prefix}files/`.length))) await bucket.delete(key);
}

/** The folder belongs to a job: a link in it must not lead us, who may more, out of it. */
async function insideOnly(root: string, target: string): Promise<void> {
  const [inside, found] = await Promise.all([realpath(root), realpath(target)]);
  if (found !== inside && !found.startsWith(inside + sep))
    throw new GantryError('data_invalid', `${target} is a link that leads out of ${root}`, {
      hint: 'keep checkpoints in the folder itself',
    });
}

async function filesBelow(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
