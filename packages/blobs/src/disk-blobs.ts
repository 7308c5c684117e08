/**
 * Blobs on disk: `<dir>/sha256/ab/cdef…`. Written aside under no name anybody reads, fsynced, renamed; read
 * back with the hash running along, so that a damaged file fails instead of being believed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GantryError } from '@gantry/contract';
import type { BlobStore } from '@gantry/ports';

export function createBlobStore(dir: string): BlobStore {
  const pathOf = (digest: string): string => {
    const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
    if (hex === undefined)
      throw new GantryError('validation_failed', `"${digest}" is no digest`, {
        hint: 'sha256: and 64 hex digits',
      });
    return join(dir, 'sha256', hex.slice(0, 2), hex.slice(2));
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
        await rename(aside, target);
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
    get: async (digest) => {
      const path = pathOf(digest);
      if (!(await exists(path))) throw new GantryError('not_found', `there is no blob ${digest}`);
      return verified(path, digest);
    },
    has: (digest) => exists(pathOf(digest)),
    delete: (digest) => rm(pathOf(digest), { force: true }),
  };
}

async function* verified(path: string, digest: string): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Uint8Array);
    yield chunk as Uint8Array;
  }
  if (`sha256:${hash.digest('hex')}` !== digest) {
    throw new GantryError('blob_corrupt', `the bytes of ${digest} are damaged on disk`, {
      hint: 'import or train the model again; check the disk',
    });
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
