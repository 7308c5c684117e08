/** Packed folders: counted when they arrive, unpacked where a worker will run. */
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { GantryError } from '@gantry/contract';
import { uploadLimitBytes } from '@gantry/control';
import { FormatError } from '@gantry/formats';
import { readTar } from '@gantry/formats/tar';
import type { BlobStore } from '@gantry/ports';

const limits = { files: 100_000, bytes: uploadLimitBytes };

export async function inspectUpload(
  blobs: BlobStore,
  digest: string,
): Promise<{ files: number; bytes: number }> {
  let files = 0;
  let bytes = 0;
  await understood(async () => {
    for await (const entry of readTar(await blobs.get(digest), limits)) {
      if (entry.kind === 'file') files += 1;
      bytes += entry.bytes;
    }
  });
  return { files, bytes };
}

/** Written aside and renamed. The reader lets no path and no link out of the folder, and the folder is new. */
export async function unpackUpload(blobs: BlobStore, digest: string, dir: string): Promise<void> {
  const isThere = await stat(dir).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const aside = `${dir}.part`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { recursive: true });
  try {
    await understood(async () => {
      for await (const entry of readTar(await blobs.get(digest), limits)) {
        const path = join(aside, entry.path);
        if (entry.kind === 'folder') {
          await mkdir(path, { recursive: true });
          continue;
        }
        await mkdir(dirname(path), { recursive: true });
        const mode = entry.isExecutable ? 0o755 : 0o644;
        await pipeline(entry.body, createWriteStream(path, { flags: 'wx', mode }));
      }
    });
    await rename(aside, dir);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    throw new GantryError('disk_full', 'the disk is full; the upload could not be unpacked', {
      hint: 'free space below the data directory',
      cause: error,
    });
  }
}

async function understood(read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (!(error instanceof FormatError) && code !== 'EEXIST' && code !== 'ENOTDIR') throw error;
    const hint = error instanceof FormatError ? error.hint : 'one path is there twice';
    throw new GantryError('data_invalid', `the upload cannot be used: ${(error as Error).message}`, {
      hint: hint ?? 'gantry job run --upload DIR packs a folder',
      cause: error,
    });
  }
}
