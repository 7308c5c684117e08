/** Reads elements of a rank's shard, from its files, block by block; every block is checked before it is used. */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { ShardFile, ShardRecord } from './checkpoint-manifest.ts';

interface Block {
  readonly file: ShardFile;
  readonly number: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export class ShardReader implements AsyncDisposable {
  readonly #directory: string;
  readonly #record: ShardRecord;
  readonly #blockBytes: number;
  readonly #handles = new Map<ShardFile, Promise<FileHandle>>();
  /** One block is used while the next is read. */
  #held: Block | undefined;
  #coming: { readonly file: ShardFile; readonly number: number; readonly block: Promise<Block> } | undefined;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  constructor(directory: string, record: ShardRecord, blockBytes: number) {
    this.#directory = directory;
    this.#record = record;
    this.#blockBytes = blockBytes;
  }

  /** Hands over elements [from, from + length) in pieces, valid until the next one. Throws a sentence. */
  async read(from: number, length: number, take: (at: number, values: Float32Array) => void): Promise<void> {
    let at = from * 4;
    const end = at + length * 4;
    while (at < end) {
      const { file, start } = this.#fileAt(at);
      const number = Math.floor((at - start) / this.#blockBytes);
      const bytes = await this.#load(file, number, end - start);
      const blockStart = start + number * this.#blockBytes;
      const stop = Math.min(end, blockStart + bytes.length);
      take(at / 4, new Float32Array(bytes.buffer, at - blockStart, (stop - at) / 4));
      at = stop;
    }
  }

  /** Reads all of it. */
  async verify(): Promise<void> {
    for (const file of this.#record.files) {
      for (let number = 0; number < file.blocks.length; number += 1)
        await this.#load(file, number, file.bytes);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#coming?.block.catch(() => undefined);
    for (const handle of this.#handles.values()) await (await handle.catch(() => undefined))?.close();
  }

  #fileAt(position: number): { file: ShardFile; start: number } {
    let start = 0;
    for (const file of this.#record.files) {
      if (position < start + file.bytes) return { file, start };
      start += file.bytes;
    }
    throw new Error(`the shard of rank ${this.#record.rank} is too short`);
  }

  /** A block, checked; the one after it is on its way if it begins before `end` (bytes of the file). */
  async #load(file: ShardFile, number: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#held?.file === file && this.#held.number === number) return this.#held.bytes;
    this.#release();
    const coming = this.#coming;
    this.#coming = undefined;
    const isComing = coming?.file === file && coming.number === number;
    if (!isComing)
      await coming?.block.then(
        (block) => this.#free.push(wholeOf(block)),
        () => undefined,
      );
    const block = await (isComing ? coming.block : this.#fetch(file, number));
    if ((number + 1) * this.#blockBytes < Math.min(end, file.bytes)) {
      const next = this.#fetch(file, number + 1);
      // Whoever asks for it hears of its failure.
      next.catch(() => undefined);
      this.#coming = { file, number: number + 1, block: next };
    }
    if (crc32(block.bytes) !== file.blocks[number]) {
      throw new Error(`${file.path} does not agree with its checksum at block ${number}`);
    }
    this.#held = block;
    return block.bytes;
  }

  #release(): void {
    if (this.#held !== undefined) this.#free.push(wholeOf(this.#held));
    this.#held = undefined;
  }

  async #fetch(file: ShardFile, number: number): Promise<Block> {
    const length = Math.min(this.#blockBytes, file.bytes - number * this.#blockBytes);
    const bytes = (this.#free.pop() ?? new Uint8Array(this.#blockBytes)).subarray(0, length);
    const handle = await this.#open(file);
    const { bytesRead } = await handle.read(bytes, 0, length, number * this.#blockBytes);
    if (bytesRead !== length) throw new Error(`${file.path} is cut short`);
    return { file, number, bytes };
  }

  #open(file: ShardFile): Promise<FileHandle> {
    const known = this.#handles.get(file);
    if (known !== undefined) return known;
    const opening = this.#openChecked(file);
    this.#handles.set(file, opening);
    return opening;
  }

  async #openChecked(file: ShardFile): Promise<FileHandle> {
    const handle = await open(join(this.#directory, file.path), 'r').catch(() => {
      throw new Error(`${file.path} is missing`);
    });
    const { size } = await handle.stat();
    if (size === file.bytes) return handle;
    await handle.close();
    throw new Error(`${file.path} has ${size} bytes instead of ${file.bytes}`);
  }
}

function wholeOf({ bytes }: Block): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.buffer);
}
