/** Reads elements of a rank's shard, from its files, block by block; every block is checked before it is used. */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { ShardFile, ShardRecord } from './checkpoint-manifest.ts';

export class ShardReader implements AsyncDisposable {
  readonly #directory: string;
  readonly #record: ShardRecord;
  readonly #blockBytes: number;
  readonly #handles = new Map<ShardFile, FileHandle>();
  readonly #block: Uint8Array<ArrayBuffer>;
  #held: { readonly file: ShardFile; readonly number: number; readonly length: number } | undefined;

  constructor(directory: string, record: ShardRecord, blockBytes: number) {
    this.#directory = directory;
    this.#record = record;
    this.#blockBytes = blockBytes;
    this.#block = new Uint8Array(blockBytes);
  }

  /** Hands over elements [from, from + length) in pieces, valid until the next one. Throws a sentence. */
  async read(from: number, length: number, take: (at: number, values: Float32Array) => void): Promise<void> {
    let at = from * 4;
    const end = at + length * 4;
    while (at < end) {
      const { file, start } = this.#fileAt(at);
      const number = Math.floor((at - start) / this.#blockBytes);
      const block = await this.#load(file, number);
      const blockStart = start + number * this.#blockBytes;
      const stop = Math.min(end, blockStart + block.length);
      take(at / 4, new Float32Array(block.buffer, at - blockStart, (stop - at) / 4));
      at = stop;
    }
  }

  /** Reads all of it. */
  async verify(): Promise<void> {
    for (const file of this.#record.files) {
      for (let number = 0; number < file.blocks.length; number += 1) await this.#load(file, number);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
  }

  #fileAt(position: number): { file: ShardFile; start: number } {
    let start = 0;
    for (const file of this.#record.files) {
      if (position < start + file.bytes) return { file, start };
      start += file.bytes;
    }
    throw new Error(`the shard of rank ${this.#record.rank} is too short`);
  }

  async #load(file: ShardFile, number: number): Promise<Uint8Array> {
    const length = Math.min(this.#blockBytes, file.bytes - number * this.#blockBytes);
    const block = this.#block.subarray(0, length);
    if (this.#held?.file === file && this.#held.number === number) return block;
    this.#held = undefined;
    const handle = await this.#open(file);
    const { bytesRead } = await handle.read(block, 0, length, number * this.#blockBytes);
    if (bytesRead !== length) throw new Error(`${file.path} is cut short`);
    if (crc32(block) !== file.blocks[number]) {
      throw new Error(`${file.path} does not agree with its checksum at block ${number}`);
    }
    this.#held = { file, number, length };
    return block;
  }

  async #open(file: ShardFile): Promise<FileHandle> {
    const known = this.#handles.get(file);
    if (known !== undefined) return known;
    const handle = await open(join(this.#directory, file.path), 'r').catch(() => {
      throw new Error(`${file.path} is missing`);
    });
    this.#handles.set(file, handle);
    const { size } = await handle.stat();
    if (size !== file.bytes) throw new Error(`${file.path} has ${size} bytes instead of ${file.bytes}`);
    return handle;
  }
}
