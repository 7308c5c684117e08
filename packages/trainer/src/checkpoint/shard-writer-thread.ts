/**
 * A thread that writes its part of a snapshot, past the page cache where the file system lets it: the checksum
 * of a block is made while the blocks before it are on their way to the disk. A block with the checksum it had in
 * the save before is compared with the bytes there, and not written again when they are the same.
 */
import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { pageMemory } from '../memory/page-memory.ts';
import type { BlockPlace } from './checkpoint-manifest.ts';
import { packBlock, unpackBlock } from './packed-block.ts';
import { SinkWatch } from './sink-watch.ts';

export type Packing = 'auto' | 'always' | 'never';

export interface WriterPart {
  readonly snapshot: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
  readonly blockBytes: number;
  readonly directBytes: number;
  readonly packing: Packing;
  /** For tests: a disk no faster than this. */
  readonly sinkBytesPerSecond: number | undefined;
}

export interface WriteRequest {
  readonly directory: string;
  readonly name: string;
  /** Of this part's blocks, what the save before has; its files are in `directory` too. */
  readonly base: readonly (BlockPlace | undefined)[];
  /** A file of `directory` that is to be read for its checksums and made durable. */
  readonly frozen: { readonly name: string; readonly bytes: number } | undefined;
}

export type WriteAnswer =
  | {
      readonly bytes: number;
      readonly blocks: readonly BlockPlace[];
      readonly frozenBlocks: readonly BlockPlace[];
    }
  | { readonly code: string | undefined; readonly message: string };

/** Blocks on their way to the disk at one time. */
const depth = 2;

const { O_RDWR, O_CREAT } = constants;
/** Linux only. */
const direct = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;

const part = workerData as WriterPart;
const watch = new SinkWatch();
let slots: SharedArrayBuffer | undefined;

async function write(request: WriteRequest): Promise<{ bytes: number; blocks: readonly BlockPlace[] }> {
  await using base = new BaseFiles(request.directory);
  try {
    return await writeWith(request, base, O_RDWR | O_CREAT | direct);
  } catch (error) {
    // A file system without direct writes, or memory that does not begin at a page.
    if (direct === 0 || (error as { code?: unknown }).code !== 'EINVAL') throw error;
    return writeWith(request, base, O_RDWR | O_CREAT);
  }
}

async function writeWith(
  request: WriteRequest,
  base: BaseFiles,
  flags: number,
): Promise<{ bytes: number; blocks: readonly BlockPlace[] }> {
  const { snapshot, from, to, blockBytes } = part;
  const isPacking = wantsPacking();
  const blocks: BlockPlace[] = [];
  const leaving: Promise<void>[] = [];
  let file: FileHandle | undefined;
  let end = 0;
  try {
    for (let at = from, number = 0; at < to; at += blockBytes, number += 1) {
      const length = Math.min(blockBytes, to - at);
      const bytes = new Uint8Array(snapshot, at, length);
      const sum = crc32(bytes);
      const before = request.base[number];
      if (before?.crc32 === sum && (await base.has(before, bytes))) {
        blocks.push(before);
        continue;
      }
      if (leaving.length >= depth) await leaving.shift();
      file ??= await openOwn(join(request.directory, request.name), flags);
      const packed = isPacking ? pack(bytes, number % depth) : undefined;
      const stored = packed ?? { bytes: new Uint8Array(snapshot, at, padded(length)), length };
      const sent = send(file, stored.bytes, end);
      sent.catch(() => undefined);
      leaving.push(sent);
      blocks.push({ crc32: sum, file: request.name, at: end, bytes: stored.length });
      end += stored.bytes.length;
    }
    await Promise.all(leaving);
    const last = blocks.findLast((place) => place.file === request.name);
    const length = last === undefined ? 0 : last.at + last.bytes;
    if (file !== undefined) await finish(file, length);
    watch.settle();
    return { bytes: length, blocks };
  } finally {
    await Promise.allSettled(leaving);
    await file?.close();
  }
}

async function sumFrozen({ directory, frozen }: WriteRequest): Promise<readonly BlockPlace[]> {
  if (frozen === undefined) return [];
  await using file = await open(join(directory, frozen.name), 'r');
  await file.datasync();
  const blocks: BlockPlace[] = [];
  const buffer = Buffer.alloc(part.blockBytes);
  for (let at = 0; at < frozen.bytes; at += part.blockBytes) {
    const length = Math.min(part.blockBytes, frozen.bytes - at);
    const { bytesRead } = await file.read(buffer, 0, length, at);
    if (bytesRead < length) throw new Error(`${frozen.name} is cut short`);
    blocks.push({ crc32: crc32(buffer.subarray(0, length)), file: frozen.name, at, bytes: length });
  }
  return blocks;
}

async function finish(file: FileHandle, bytes: number): Promise<void> {
  await file.truncate(bytes);
  await watch.during(0, () => file.datasync());
}

/** A file that another checkpoint still has is not written over. */
async function openOwn(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, flags);
  if ((await file.stat()).nlink === 1) return file;
  await file.close();
  await rm(path);
  return open(path, flags);
}

async function send(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  await watch.during(bytes.length, async () => {
    for (let written = 0; written < bytes.length;) {
      const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
      written += bytesWritten;
    }
    const { sinkBytesPerSecond } = part;
    if (sinkBytesPerSecond !== undefined) await pause((bytes.length / sinkBytesPerSecond) * 1000);
  });
}

function wantsPacking(): boolean {
  if (part.packing !== 'auto') return part.packing === 'always';
  const { snapshot, from, to, blockBytes } = part;
  const middle = from + Math.floor((to - from) / blockBytes / 2) * blockBytes;
  return watch.wantsPacking(() => {
    const sample = new Uint8Array(snapshot, middle, Math.min(blockBytes, to - middle));
    // The first time is the compiler's.
    packBlock(sample);
    pack(sample, 0);
  });
}

/** Into page-aligned memory; `length` of it counts. Undefined when nothing is gained. */
function pack(bytes: Uint8Array, slot: number): { bytes: Uint8Array; length: number } | undefined {
  const startedMs = performance.now();
  const packed = packBlock(bytes);
  watch.packed(bytes.length, packed?.length ?? bytes.length, performance.now() - startedMs);
  if (packed === undefined || padded(packed.length) >= padded(bytes.length)) return undefined;
  slots ??= pageMemory(depth * part.blockBytes);
  const room = new Uint8Array(slots, slot * part.blockBytes, padded(packed.length));
  room.set(packed);
  return { bytes: room, length: packed.length };
}

function padded(length: number): number {
  return Math.ceil(length / part.directBytes) * part.directBytes;
}

/** Files of the save before, opened when a block seems unchanged. */
class BaseFiles implements AsyncDisposable {
  readonly #directory: string;
  readonly #handles = new Map<string, FileHandle>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Checksums agree by chance once in four thousand million times: the bytes decide. */
  async has(place: BlockPlace, bytes: Uint8Array): Promise<boolean> {
    try {
      const stored = Buffer.alloc(place.bytes);
      const handle = await this.#open(place.file);
      const { bytesRead } = await handle.read(stored, 0, place.bytes, place.at);
      if (bytesRead < place.bytes) return false;
      const plain = place.bytes < bytes.length ? unpackBlock(stored, bytes.length) : stored;
      return Buffer.compare(plain, bytes) === 0;
    } catch {
      // What cannot be read is written again.
      return false;
    }
  }

  async #open(path: string): Promise<FileHandle> {
    const known = this.#handles.get(path) ?? (await open(join(this.#directory, path), 'r'));
    this.#handles.set(path, known);
    return known;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
  }
}

parentPort?.on('message', (request: WriteRequest) => {
  const answer = (message: WriteAnswer): void => parentPort?.postMessage(message);
  const work = async (): Promise<WriteAnswer> => ({
    ...(await write(request)),
    frozenBlocks: await sumFrozen(request),
  });
  work().then(answer, (error: unknown) =>
    answer({ code: (error as { code?: string }).code, message: String(error) }),
  );
});
