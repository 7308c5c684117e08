/**
 * Writes what a rank owns while training goes on: the stall is one copy into memory that is kept for it. Two
 * threads write a file each, over the files of a checkpoint that was let go when there are some (their blocks
 * on the disk are used again). docs/training.md has what each of these is worth.
 */
import { rename, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pageMemory } from '../memory/index.ts';
import type { ShardFile, ShardRecord } from './checkpoint-manifest.ts';
import type { WriteAnswer, WriterPart, WriteRequest } from './shard-writer-thread.ts';

export const blockBytes = 1024 * 1024;
const threads = 2;
/** Of memory, file offset and length, for writes past the page cache. */
const directBytes = 4096;

export interface ShardWriter extends AsyncDisposable {
  /** To be filled before `write`, and left alone until it has ended. */
  readonly snapshot: Float32Array;
  /** Files of `directory`, durable when this resolves. `spare` may hold files to write over. */
  write(directory: string, spare: string): Promise<ShardRecord>;
}

export function shardRecordPath(directory: string, rank: number): string {
  return join(directory, `shard-${String(rank).padStart(5, '0')}.json`);
}

export function createShardWriter(rank: number, elements: number): ShardWriter {
  const memory = pageMemory(elements * 4);
  const bounds = Array.from(
    { length: threads + 1 },
    (_, index) => Math.floor((elements * 4 * index) / threads / directBytes) * directBytes,
  );
  bounds[threads] = elements * 4;
  const parts = Array.from({ length: threads }, (_, index): WriterPart => {
    const [from, to] = [bounds[index] as number, bounds[index + 1] as number];
    return { snapshot: memory, from, to, blockBytes, directBytes };
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
    write: async (directory, spare) => {
      const files = await Promise.allSettled(
        open().map(async (worker, index): Promise<ShardFile> => {
          const name = `shard-${String(rank).padStart(5, '0')}-${index}.bin`;
          const target = join(directory, name);
          await rename(join(spare, name), target).catch(() => undefined);
          const blocks = await ask(worker, { path: target });
          const { from, to } = parts[index] as WriterPart;
          return { path: name, bytes: to - from, blocks };
        }),
      );
      const record: ShardRecord = {
        rank,
        files: files.map((outcome) => {
          if (outcome.status === 'rejected') throw outcome.reason;
          return outcome.value;
        }),
      };
      await writeFile(shardRecordPath(directory, rank), JSON.stringify(record));
      return record;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all((workers ?? []).map((worker) => worker.terminate()));
    },
  };
}

async function ask(worker: Worker, request: WriteRequest): Promise<readonly number[]> {
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
  if ('blocks' in answer) return answer.blocks;
  throw Object.assign(new Error(answer.message), { code: answer.code });
}
