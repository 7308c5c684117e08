/** A thread that writes its part of a snapshot: block by block with a checksum each, then to the disk. */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';

export interface WriterPart {
  readonly snapshot: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
  readonly blockBytes: number;
}

export interface WriteRequest {
  readonly path: string;
  /** The file is there already: its blocks on the disk are used again. */
  readonly isRecycled: boolean;
}

export type WriteAnswer =
  | { readonly blocks: readonly number[] }
  | { readonly code: string | undefined; readonly message: string };

const { snapshot, from, to, blockBytes } = workerData as WriterPart;
const bytes = new Uint8Array(snapshot, from, to - from);

function write({ path, isRecycled }: WriteRequest): readonly number[] {
  const file = openSync(path, isRecycled ? 'r+' : 'w');
  try {
    const blocks: number[] = [];
    for (let at = 0; at < bytes.length; at += blockBytes) {
      const block = bytes.subarray(at, at + blockBytes);
      blocks.push(crc32(block));
      for (let written = 0; written < block.length;)
        written += writeSync(file, block, written, block.length - written, at + written);
    }
    if (isRecycled) ftruncateSync(file, bytes.length);
    fdatasyncSync(file);
    return blocks;
  } finally {
    closeSync(file);
  }
}

parentPort?.on('message', (request: WriteRequest) => {
  let answer: WriteAnswer;
  try {
    answer = { blocks: write(request) };
  } catch (error) {
    answer = { code: (error as { code?: string }).code, message: String(error) };
  }
  parentPort?.postMessage(answer);
});
