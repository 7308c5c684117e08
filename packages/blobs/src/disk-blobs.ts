/**
 * Blobs on disk: `<dir>/sha256/ab/cdef…`. Written aside under no name anybody reads, fsynced, renamed; read
 * back with the hash running along, so that a damaged file fails instead of being believed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GantryError } from '@gantry/contract';
import type { BlobStore } from '@gantry/ports';
import { nameOfBlob } from './blob-name.ts';
import { partOfFile, verifiedFile } from './read-file.ts';

/** One store a folder: what was begun by an earlier one and never finished is removed. */
export function createBlobStore(dir: string): BlobStore {
  rmSync(join(dir, 'incoming'), { recursive: true, force: true });
  const pathOf = (digest: string): string => join(dir, nameOfBlob(digest));

  const found = async (digest: string): Promise<string> => {
    const path = pathOf(digest);
    if ((await look(path)) === undefined) throw new GantryError('not_found', `there is no blob ${digest}`);
    return path;
  };

  return {
    put: async (source) => {
      const aside = join(dir, 'incoming', randomBytes(12).toString('hex'));
      await mkdir(dirname(aside), { recursive: true });
      const hash = createHash('sha256');
      let bytes = 0;
      let file: FileHandle | undefined;
      try {
        file = await open(aside, 'wx', 0o600);
        for await (const chunk of source) {
          hash.update(chunk);
          bytes += chunk.byteLength;
          await file.writeFile(chunk);
        }
        await file.sync();
        await file.close();
        file = undefined;
        const digest = `sha256:${hash.digest('hex')}`;
        const target = pathOf(digest);
        await mkdir(dirname(target), { recursive: true });
        // At once, as `delete` looks and removes at once: a blob put again is never the one that is removed.
        renameSync(aside, target);
        await syncDirectory(dirname(target));
        return { digest, bytes };
      } catch (error) {
        await file?.close();
        await rm(aside, { force: true });
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        throw new GantryError('disk_full', 'the disk is full; nothing was stored', {
          hint: 'free space, or delete models that nobody serves',
          cause: error,
        });
      }
    },
    get: async (digest, range) => {
      const path = await found(digest);
      return range === undefined ? verifiedFile(path, digest) : partOfFile(path, range);
    },
    has: async (digest) => (await look(pathOf(digest))) !== undefined,
    stat: (digest) => look(pathOf(digest)),
    markUsed: async (digest) => {
      const now = new Date();
      await utimes(pathOf(digest), now, now).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    },
    verify: async (digest) => {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(await found(digest))) hash.update(chunk as Uint8Array);
      return `sha256:${hash.digest('hex')}` === digest ? 'intact' : 'corrupt';
    },
    list: async function* () {
      const root = join(dir, 'sha256');
      for (const prefix of await namesIn(root)) {
        for (const rest of await namesIn(join(root, prefix))) {
          if (/^[0-9a-f]{64}$/.test(prefix + rest)) yield `sha256:${prefix}${rest}`;
        }
      }
    },
    delete: async (digest, condition) => {
      const path = pathOf(digest);
      const usedAtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
      if (condition !== undefined && usedAtMs !== undefined && usedAtMs >= condition.unusedSinceMs)
        return false;
      rmSync(path, { force: true });
      return true;
    },
  };
}

const look = (path: string): Promise<{ bytes: number; usedAtMs: number } | undefined> =>
  stat(path).then(
    ({ size, mtimeMs }) => ({ bytes: size, usedAtMs: mtimeMs }),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );

const namesIn = (path: string): Promise<readonly string[]> =>
  readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
