/**
 * A thread that writes its part of a snapshot, past the page cache where the file system lets it: the checksum
 * of a block is made while the blocks before it are on their way to the disk.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';

export interface WriterPart {
  readonly snapshot: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
  readonly blockBytes: number;
  readonly directBytes: number;
}

export interface WriteRequest {
  readonly path: string;
}

export type WriteAnswer =
  | { readonly blocks: readonly number[] }
  | { readonly code: string | undefined; readonly message: string };

/** Blocks on their way to the disk at one time. */
const depth = 2;

const { O_RDWR, O_CREAT } = constants;
/** Linux only. */
const direct = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;

async function write(part: WriterPart, path: string): Promise<readonly number[]> {
  try {
    return await writeWith(part, path, O_RDWR | O_CREAT | direct);
  } catch (error) {
    // A file system without direct writes, or memory that does not begin at a page.
    if (direct === 0 || (error as { code?: unknown }).code !== 'EINVAL') throw error;
    return writeWith(part, path, O_RDWR | O_CREAT);
  }
}

async function writeWith(part: WriterPart, path: string, flags: number): Promise<readonly number[]> {
  const { snapshot, from, to, blockBytes, directBytes } = part;
  await using file = await open(path, flags);
  const blocks: number[] = [];
  const leaving: Promise<void>[] = [];
  try {
    for (let at = from; at < to; at += blockBytes) {
      const length = Math.min(blockBytes, to - at);
      if (leaving.length >= depth) await leaving.shift();
      const padded = Math.ceil(length / directBytes) * directBytes;
      const sent = writeAll(file, new Uint8Array(snapshot, at, padded), at - from);
      sent.catch(() => undefined);
      leaving.push(sent);
      blocks.push(crc32(new Uint8Array(snapshot, at, length)));
    }
  } finally {
    await Promise.allSettled(leaving);
  }
  await Promise.all(leaving);
  await file.truncate(to - from);
  await file.datasync();
  return blocks;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

parentPort?.on('message', ({ path }: WriteRequest) => {
  const answer = (message: WriteAnswer): void => parentPort?.postMessage(message);
  write(workerData as WriterPart, path).then(
    (blocks) => answer({ blocks }),
    (error: unknown) => answer({ code: (error as { code?: string }).code, message: String(error) }),
  );
});
