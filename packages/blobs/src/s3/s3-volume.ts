/**
 * A prefix as a folder: fetched through the node's cache, shown to a job, and what the job wrote taken back. The
 * folder counts once its list of contents lies beside it, so a fetch that was cut off is begun again.
 */
import { link, lstat, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, matchesGlob, relative, sep } from 'node:path';
import { GantryError } from '@gantry/contract';
import { countOf, formatBytes } from '@gantry/kit';
import { eachAtOnce } from './each-at-once.ts';
import { copyAside, writeLater } from './later-files.ts';
import type { ObjectCache } from './object-cache.ts';
import { type S3Address, formatS3Address } from './s3-address.ts';
import type { S3Bucket, S3Object } from './s3-bucket.ts';

export interface VolumePlace {
  readonly bucket: S3Bucket;
  readonly address: S3Address;
  /** Where its files are put; its list lies beside it under the same name with `.json`. */
  readonly dir: string;
  readonly isWritable: boolean;
  /** Globs of paths that are fetched one by one, when somebody asks (`fetchLater`). */
  readonly onDemand?: readonly string[];
}

export interface VolumeProgress {
  readonly files: number;
  readonly bytes: number;
  readonly filesDone: number;
  readonly bytesDone: number;
  /** Of what is done: bytes that the node had already. */
  readonly cachedBytes: number;
}

export interface FetchOptions {
  readonly cache: ObjectCache;
  readonly scope: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: VolumeProgress) => void;
  /** Names each object in the cache, once it is there. */
  readonly onHeld?: (id: string, bytes: number) => void;
  readonly firstDelayMs?: number;
}

/** The files that were fetched, by path: size and time of change say whether a job changed one. */
type Contents = Readonly<Record<string, { readonly bytes: number; readonly modifiedMs: number }>>;

const mostObjects = 100_000;
const filesAtOnce = 8;
const listings = 3;

export async function fetchVolume(place: VolumePlace, options: FetchOptions): Promise<VolumeProgress> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await fetchListed(place, options);
    } catch (error) {
      const hasChanged = error instanceof GantryError && error.code === 'version_conflict';
      if (!hasChanged) throw error;
      if (attempt >= listings)
        throw new GantryError(
          'storage_unavailable',
          `${formatS3Address(place.address)} changes while it is read`,
          { hint: 'let whoever writes there finish first', cause: error },
        );
    }
  }
}

async function fetchListed(place: VolumePlace, options: FetchOptions): Promise<VolumeProgress> {
  const { bucket, dir, isWritable } = place;
  const listed = await listFiles(place, options);
  const isLater = (path: string): boolean => place.onDemand?.some((glob) => matchesGlob(path, glob)) === true;
  const files = new Map([...listed].filter(([path]) => !isLater(path)));
  const later = new Map([...listed].filter(([path]) => isLater(path)));
  checkRoom(place, options.cache, files, later);
  const state = { filesDone: 0, bytesDone: 0, cachedBytes: 0 };
  const sizes = { files: files.size, bytes: [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0) };
  const tell = (): void => options.onProgress?.({ ...sizes, ...state });
  const add = (bytes: number): void => {
    state.bytesDone += bytes;
    tell();
  };
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  for (const path of later.keys()) await mkdir(dirname(join(dir, path)), { recursive: true });
  if (later.size > 0) await writeLater(dir, later);
  tell();
  await eachAtOnce([...files], filesAtOnce, options.signal, async ([path, object], signal) => {
    const target = join(dir, path);
    await mkdir(dirname(target), { recursive: true });
    await using held = await options.cache.hold(bucket, options.scope, object, {
      signal,
      onBytes: add,
      ...(options.firstDelayMs === undefined ? {} : { firstDelayMs: options.firstDelayMs }),
    });
    await (isWritable ? copyAside(held.path, target, object) : linkTo(held.path, target, object));
    options.onHeld?.(held.id, object.bytes);
    state.filesDone += 1;
    if (!held.isFresh) {
      state.cachedBytes += object.bytes;
      add(object.bytes);
    } else tell();
  });
  const contents: Contents = Object.fromEntries(
    [...files].map(([path, { bytes, modifiedMs }]) => [path, { bytes, modifiedMs }]),
  );
  await writeFile(`${dir}.json.tmp`, JSON.stringify(contents));
  await rename(`${dir}.json.tmp`, `${dir}.json`);
  return { ...sizes, ...state };
}

/** Whether an earlier fetch into this folder came to its end. */
export const isFetched = async (dir: string): Promise<boolean> => (await readContents(dir)) !== undefined;

async function listFiles(
  { bucket, address, isWritable }: VolumePlace,
  { signal }: FetchOptions,
): Promise<ReadonlyMap<string, S3Object>> {
  const files = new Map<string, S3Object>();
  const name = formatS3Address(address);
  for await (const object of bucket.list(address.prefix, signal)) {
    if (object.key.endsWith('/')) continue; // an empty object that consoles make to show a folder
    files.set(pathOf(object.key, address), object);
    if (files.size > mostObjects)
      throw new GantryError('data_invalid', `${name} holds more than ${mostObjects} objects`, {
        hint: 'name a smaller prefix, or pack small files together',
      });
  }
  if (files.size === 0 && !isWritable)
    throw new GantryError('data_missing', `there is nothing at ${name}`, {
      hint: 'a prefix is a folder: s3://bucket/folder; readOnly: false starts with an empty one',
    });
  for (const path of files.keys())
    for (let up = dirname(path); up !== '.'; up = dirname(up))
      if (files.has(up))
        throw new GantryError('data_invalid', `${name} holds "${up}" both as an object and as a folder`, {
          hint: 'a file system cannot; rename one of them',
        });
  return files;
}

/** What is fetched at once must fit together, what comes later one by one. */
function checkRoom(
  { address }: VolumePlace,
  { limitBytes }: ObjectCache,
  files: ReadonlyMap<string, S3Object>,
  later: ReadonlyMap<string, S3Object>,
): void {
  const bytes = [...files.values()].reduce((sum, object) => sum + object.bytes, 0);
  const largest = Math.max(0, ...later.values().map((object) => object.bytes));
  if (bytes + largest <= limitBytes) return;
  const holds = later.size === 0 ? 'holds' : 'needs at once';
  throw new GantryError(
    'data_invalid',
    `${formatS3Address(address)} ${holds} ${formatBytes(bytes + largest)}; this node takes ${formatBytes(limitBytes)} from S3`,
    { hint: 'name a smaller prefix, or start the server with a larger --s3-cache' },
  );
}

function pathOf(key: string, { prefix }: S3Address): string {
  const path = key.slice(prefix.length);
  const isFile = path
    .split('/')
    .every(
      (part) => !['', '.', '..'].includes(part) && !part.includes('\0') && Buffer.byteLength(part) <= 255,
    );
  if (!key.startsWith(prefix) || !isFile)
    throw new GantryError('data_invalid', `the object "${key.slice(0, 300)}" cannot be a file's name`, {
      hint: 'no empty part, no "." or "..", at most 255 bytes between slashes',
    });
  return path;
}

async function linkTo(from: string, target: string, object: S3Object): Promise<void> {
  // No second link where the file system has none; the bytes are the same.
  await link(from, target).catch(() => copyAside(from, target, object));
}

async function readContents(dir: string): Promise<Contents | undefined> {
  const text = await readFile(`${dir}.json`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Contents);
}

export interface StoredVolume {
  readonly files: number;
  readonly bytes: number;
  readonly notes: readonly string[];
}

/** New and changed files → objects; nothing is deleted. A folder that was never fetched whole gives nothing back. */
export async function storeVolume(place: VolumePlace, signal: AbortSignal): Promise<StoredVolume> {
  const { bucket, address, dir } = place;
  const before = await readContents(dir);
  if (before === undefined) return { files: 0, bytes: 0, notes: [] };
  const changed: { path: string; bytes: number }[] = [];
  let passedOver = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const full = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) {
      passedOver += 1;
      continue;
    }
    const path = relative(dir, full).split(sep).join('/');
    const { size, mtimeMs } = await lstat(full);
    const known = before[path];
    if (known?.bytes !== size || Math.abs(known.modifiedMs - mtimeMs) >= 1)
      changed.push({ path, bytes: size });
  }
  await eachAtOnce(changed, filesAtOnce / 2, signal, async ({ path }, stop) => {
    await bucket.putFile(`${address.prefix}${path}`, join(dir, path), stop);
  });
  return {
    files: changed.length,
    bytes: changed.reduce((sum, { bytes }) => sum + bytes, 0),
    notes:
      passedOver === 0
        ? []
        : [
            `${countOf(passedOver, 'link or other special file', 'links and other special files')} ${passedOver === 1 ? 'was' : 'were'} not written to ${formatS3Address(address)}`,
          ],
  };
}
