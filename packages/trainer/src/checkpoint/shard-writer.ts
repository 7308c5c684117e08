/**
 * Writes what a rank owns while training goes on: the stall is one copy into memory that is kept for it. Two
 * threads write a file each, over the files of a checkpoint that was let go when there are some (their blocks
 * on the disk are used again). docs/training.md has what each of these is worth.
 */
import { copyFile, link, rename, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pageMemory } from '../memory/index.ts';
import type { FrozenState } from '../offload/index.ts';
import { linkEarlier, unlinkUnused, type EarlierShard } from './block-base.ts';
import type { ShardRecord } from './checkpoint-manifest.ts';
import type { Packing, WriteAnswer, WriterPart, WriteRequest } from './shard-writer-thread.ts';

export const blockBytes = 1024 * 1024;
const threads = 2;
/** Of memory, file offset and length, for writes past the page cache. */
const directBytes = 4096;

export interface ShardWriterOptions {
  readonly rank: number;
  readonly elements: number;
  readonly packing: Packing;
  /** Its last block is filled with zeros, for a file of frozen state follows. */
  readonly isPadded?: boolean | undefined;
  /** For tests: a disk no faster than this for each thread. */
  readonly sinkBytesPerSecond?: number | undefined;
}

export interface WriteTarget {
  readonly directory: string;
  readonly step: number;
  /** May hold files to write over. */
  readonly spare: string;
  /** Blocks that have not changed since are taken from there. */
  readonly earlier: EarlierShard | undefined;
  /** What follows the snapshot, in a file of its own. */
  readonly frozen?: FrozenState | undefined;
}

export interface ShardWriter extends AsyncDisposable {
  /** To be filled before `write`, and left alone until it has ended. */
  readonly snapshot: Float32Array;
  /** Files of the target's directory, durable when this resolves. */
  write(target: WriteTarget): Promise<ShardRecord>;
}

const digits = (value: number, count: number): string => String(value).padStart(count, '0');

export function shardRecordPath(directory: string, rank: number): string {
  return join(directory, `shard-${digits(rank, 5)}.json`);
}

/** A file belongs to the step it was written at; checkpoints of later steps may have it too. */
export function shardFileName(rank: number, thread: number, step: number): string {
  return `shard-${digits(rank, 5)}-${thread}-${digits(step, 8)}.bin`;
}

export function isFileOfStep(name: string, step: number): boolean {
  return name.endsWith(`-${digits(step, 8)}.bin`);
}

/** Under this name it waits to be written over, whatever its step. */
export function spareFileName(name: string): string {
  return name.replace(/^(shard-\d+-\d+)-\d+\.bin$/, '$1.bin');
}

export function createShardWriter({
  rank,
  elements,
  packing,
  isPadded = false,
  sinkBytesPerSecond,
}: ShardWriterOptions): ShardWriter {
  const bytes = isPadded ? Math.ceil((elements * 4) / blockBytes) * blockBytes : elements * 4;
  const memory = pageMemory(bytes);
  // Parts begin at a block, so that blocks are counted through.
  const blocks = Math.ceil(bytes / blockBytes);
  const bounds = Array.from({ length: threads + 1 }, (_, index) => Math.floor((blocks * index) / threads));
  const parts = Array.from({ length: threads }, (_, index): WriterPart => {
    const [from, to] = [bounds[index] as number, bounds[index + 1] as number];
    return {
      snapshot: memory,
      from: from * blockBytes,
      to: Math.min(bytes, to * blockBytes),
      blockBytes,
      directBytes,
      packing,
      sinkBytesPerSecond,
    };
  });
  const path = join(import.meta.dirname, `shard-writer-thread${extname(import.meta.filename)}`);
  let workers: readonly Worker[] | undefined;
  // Most runs save seldom and some never: threads start with the first save.
  const open = (): readonly Worker[] => {
    workers ??= parts.map((workerData) => new Worker(path, { workerData }));
    return workers;
  };
  return {
    snapshot: new Float32Array(memory, 0, elements),
    write: async ({ directory, step, spare, earlier, frozen }) => {
      const names = parts.map((_, index) => shardFileName(rank, index, step));
      const base = await linkEarlier(earlier, directory, (name) => names.includes(name));
      const frozenName = `moments-${digits(rank, 5)}-${digits(step, 8)}.bin`;
      if (frozen !== undefined) await linkOrCopy(frozen.path, join(directory, frozenName));
      const outcomes = await Promise.allSettled(
        open().map(async (worker, index) => {
          const name = names[index] as string;
          await rename(join(spare, spareFileName(name)), join(directory, name)).catch(() => undefined);
          const written = await ask(worker, {
            directory,
            name,
            base: base.slice(bounds[index], bounds[index + 1]),
            frozen:
              index === 0 && frozen !== undefined ? { name: frozenName, bytes: frozen.bytes } : undefined,
          });
          if (written.bytes === 0) await rm(join(directory, name), { force: true });
          const file = { path: name, bytes: written.bytes };
          return { file, blocks: written.blocks, frozenBlocks: written.frozenBlocks };
        }),
      );
      const written = outcomes.map((outcome) => {
        if (outcome.status === 'rejected') throw outcome.reason;
        return outcome.value;
      });
      const all = [...written.flatMap((one) => one.blocks), ...written.flatMap((one) => one.frozenBlocks)];
      await unlinkUnused(base, all, directory);
      const files = [
        ...written.map(({ file }) => file),
        ...(frozen === undefined ? [] : [{ path: frozenName, bytes: frozen.bytes }]),
        ...(earlier?.record.files ?? []),
      ];
      const record: ShardRecord = {
        rank,
        bytes: bytes + (frozen?.bytes ?? 0),
        files: files.filter(({ path: name }) => all.some(({ file }) => file === name)),
        blocks: all,
        ...(frozen === undefined ? {} : { starts: startsOf(elements, bytes, frozen) }),
      };
      await writeFile(shardRecordPath(directory, rank), JSON.stringify(record));
      return record;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all((workers ?? []).map((worker) => worker.terminate()));
    },
  };
}

function startsOf(elements: number, bytes: number, { starts }: FrozenState): number[] {
  return [...(elements > 0 ? [0] : []), ...starts.map((at) => bytes / 4 + at)];
}

/** A link costs nothing; on another file system than the checkpoints' it has to be a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await rm(to, { force: true });
  try {
    await link(from, to);
  } catch {
    await copyFile(from, to);
  }
}

async function ask(
  worker: Worker,
  request: WriteRequest,
): Promise<Extract<WriteAnswer, { blocks: unknown }>> {
  const answer = await new Promise<WriteAnswer>((resolve, reject) => {
    const settle = (): void => {
      worker.removeListener('error', onError);
      worker.removeListener('message', onMessage);
    };
    const onError = (error: Error): void => {
      settle();
      reject(error);
    };
    const onMessage = (message: WriteAnswer): void => {
      settle();
      resolve(message);
    };
    worker.on('error', onError);
    worker.on('message', onMessage);
    worker.postMessage(request);
  });
  if ('blocks' in answer) return answer;
  throw Object.assign(new Error(answer.message), { code: answer.code });
}
