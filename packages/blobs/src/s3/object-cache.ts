/**
 * Objects of S3 on this node, one file each, never more bytes than the limit. Named for who asked, where, which
 * version; fetched once however many ask; what was used least recently goes first, and what a job sees now (its
 * folder holds a second link) or is being fetched never. The times of use are the files' access times, so they
 * outlive the process; half a file is kept, and the next who asks goes on with it.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import { type DownloadOptions, download } from './download.ts';
import type { S3Bucket, S3Object } from './s3-bucket.ts';

interface Entry {
  bytes: number;
  /** Half a file is kept for whoever asks next. */
  isWhole: boolean;
  usedAtMs: number;
  /** How many hold it now. */
  holds: number;
}

export interface CachedObject extends AsyncDisposable {
  /** Its name in the cache: of this version, for this asker. */
  readonly id: string;
  /** Stays while this is not disposed; link or copy it, never write to it. */
  readonly path: string;
  readonly isFresh: boolean;
}

export interface CacheFacts {
  readonly bytes: number;
  readonly objects: number;
  /** Since the start: whole objects that arrived, and those that were there when they were asked for. */
  readonly fetchedBytes: number;
  readonly servedBytes: number;
}

export interface ObjectCache {
  readonly limitBytes: number;
  /** `scope` says who asks where: what one may read another need not be allowed to. */
  hold(bucket: S3Bucket, scope: string, object: S3Object, options: DownloadOptions): Promise<CachedObject>;
  facts(): Promise<CacheFacts>;
  /** Whether it lies here whole; nothing does before the cache was first read from its folder (`facts`, `hold`). */
  has(id: string): boolean;
  /** Another number whenever `has` may answer otherwise. */
  readonly changes: number;
}

export function createObjectCache(dir: string, limitBytes: number): ObjectCache {
  const entries = new Map<string, Entry>();
  const arriving = new Map<string, Promise<void>>();
  let loaded: Promise<void> | undefined;
  let [fetchedBytes, servedBytes] = [0, 0];
  let changes = 0;

  const load = async (): Promise<void> => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(dir)) {
      const info = await stat(join(dir, name)).catch(() => undefined);
      if (info?.isFile() !== true) continue;
      const isWhole = !name.endsWith('.part');
      const id = name.replace(/\.part$/, '');
      entries.set(id, { bytes: info.size, isWhole, usedAtMs: info.atimeMs, holds: 0 });
    }
    changes += 1;
  };

  const total = (): number => [...entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);

  /** Takes the room at once, so that two who ask together cannot both have it; then clears what is too much. */
  const makeRoom = async (id: string, entry: Entry, bytes: number): Promise<void> => {
    entry.bytes = bytes;
    const byAge = [...entries]
      .filter(([each]) => each !== id)
      .sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    for (const [each, old] of byAge) {
      if (total() <= limitBytes) return;
      if (old.holds > 0 || !entries.has(each)) continue;
      const info = await stat(join(dir, each)).catch(() => undefined);
      if ((info?.nlink ?? 1) > 1 || old.holds > 0) continue;
      entries.delete(each);
      changes += 1;
      await rm(join(dir, each), { force: true });
      await rm(join(dir, `${each}.part`), { force: true });
    }
    if (total() <= limitBytes) return;
    entry.bytes = 0;
    throw new GantryError(
      'disk_full',
      `the S3 cache of this node (${formatBytes(limitBytes)}) is full of what jobs use now`,
      { hint: 'wait for them, or start the server with a larger --s3-cache' },
    );
  };

  const arrive = async (
    id: string,
    entry: Entry,
    bucket: S3Bucket,
    object: S3Object,
    options: DownloadOptions,
  ): Promise<void> => {
    await makeRoom(id, entry, object.bytes);
    const part = join(dir, `${id}.part`);
    await download(bucket, object, part, options);
    await utimes(part, new Date(), new Date(object.modifiedMs));
    await rename(part, join(dir, id));
    entry.isWhole = true;
    changes += 1;
  };

  /** Whole and untouched since it arrived: whoever writes to it moves its time of change, which we set. */
  const isThere = async (id: string, object: S3Object): Promise<boolean> => {
    const info = await stat(join(dir, id)).catch(() => undefined);
    return info?.size === object.bytes && Math.abs(info.mtimeMs - object.modifiedMs) < 1;
  };

  return {
    limitBytes,
    hold: async (bucket, scope, object, options) => {
      await (loaded ??= load());
      const id = idOf(bucket.name, scope, object);
      const path = join(dir, id);
      const entry = entries.get(id) ?? { bytes: 0, isWhole: false, usedAtMs: 0, holds: 0 };
      entries.set(id, entry);
      entry.holds += 1;
      const release = async (): Promise<void> => {
        entry.holds -= 1;
      };
      try {
        let isFresh = false;
        while (!(await isThere(id, object))) {
          const other = arriving.get(id);
          // Another's haste or despair is not ours: when theirs fails we try for ourselves.
          if (other !== undefined) {
            await other.catch(() => undefined);
            options.signal.throwIfAborted();
            continue;
          }
          const mine = arrive(id, entry, bucket, object, options).finally(() => arriving.delete(id));
          arriving.set(id, mine);
          await mine;
          isFresh = true;
        }
        if (isFresh) fetchedBytes += object.bytes;
        else servedBytes += object.bytes;
        entry.usedAtMs = Date.now();
        await utimes(path, new Date(entry.usedAtMs), new Date(object.modifiedMs));
        return { id, path, isFresh, [Symbol.asyncDispose]: release };
      } catch (error) {
        await release();
        throw error;
      }
    },
    facts: async () => {
      await (loaded ??= load());
      return { bytes: total(), objects: entries.size, fetchedBytes, servedBytes };
    },
    has: (id) => entries.get(id)?.isWhole === true,
    get changes() {
      return changes;
    },
  };
}

function idOf(bucket: string, scope: string, { key, etag, bytes }: S3Object): string {
  const text = JSON.stringify([scope, bucket, key, etag, bytes]);
  return createHash('sha256').update(text).digest('hex').slice(0, 40);
}
