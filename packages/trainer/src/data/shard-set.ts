/**
 * Token shards read where they lie: a sequence is one positioned read out of the page cache, so data may be larger
 * than memory and every process and thread shares what was read. (Node maps no files into memory: decision 0740.)
 * A block of a shard is checked against its checksum before the first token of it is used.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { createSequenceIndex, type SequenceIndex } from '@gantry/training/data';
import { waitForFile } from './arrival.ts';
import { corruptShard, shardBlockBytes, tokenBytes, type TokenShard } from './token-shard.ts';

/** Rows of a batch as int64 tokens, seen as halves: the low one of each is the token, the high one zero. */
export interface SequenceRows {
  readonly tokens: Uint32Array;
  readonly targets: Uint32Array;
}

/** How many there are, and how many lie before each shard. */
export function sequencesOf(shards: readonly TokenShard[], time: number): SequenceIndex {
  return createSequenceIndex(
    shards.map(({ tokens }) => tokens),
    time,
  );
}

export class ShardSet implements Disposable {
  readonly index: SequenceIndex;
  readonly #shards: readonly TokenShard[];
  readonly #time: number;
  readonly #files: (number | undefined)[];
  readonly #isChecked: readonly Uint8Array[];
  /** `time` + 1 tokens. */
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #isArriving: boolean;
  #block: Uint8Array | undefined;

  /** `isArriving`: shards come and go while they are read, and one that is not there is waited for. */
  constructor(shards: readonly TokenShard[], time: number, isArriving = false) {
    this.#shards = shards;
    this.#isArriving = isArriving;
    this.#time = time;
    this.index = sequencesOf(shards, time);
    this.#files = shards.map(() => undefined);
    this.#isChecked = shards.map(({ blocks }) => new Uint8Array(blocks.length));
    this.#bytes = new Uint8Array((time + 1) * 4);
  }

  /** Fills row `row` (of `time` tokens) with sequence `sequence`. */
  fill(sequence: number, { tokens, targets }: SequenceRows, row: number): void {
    const { shard, firstToken } = this.index.placeOf(sequence);
    const record = this.#shards[shard] as TokenShard;
    const width = tokenBytes[record.dtype];
    const length = (this.#time + 1) * width;
    const from = firstToken * width;
    this.#check(shard, from, from + length);
    this.#read(shard, this.#bytes, from, length);
    const { buffer } = this.#bytes;
    const values =
      record.dtype === 'u16'
        ? new Uint16Array(buffer, 0, this.#time + 1)
        : new Uint32Array(buffer, 0, this.#time + 1);
    let at = row * this.#time * 2;
    let token = values[0] as number;
    for (let place = 1; place <= this.#time; place += 1) {
      const next = values[place] as number;
      tokens[at] = token;
      targets[at] = next;
      token = next;
      at += 2;
    }
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) if (file !== undefined) closeSync(file);
    this.#files.fill(undefined);
  }

  #check(shard: number, from: number, to: number): void {
    const isChecked = this.#isChecked[shard] as Uint8Array;
    const record = this.#shards[shard] as TokenShard;
    for (let block = Math.floor(from / shardBlockBytes); block * shardBlockBytes < to; block += 1) {
      if (isChecked[block] === 1) continue;
      const start = block * shardBlockBytes;
      const length = Math.min(shardBlockBytes, record.tokens * tokenBytes[record.dtype] - start);
      this.#block ??= new Uint8Array(shardBlockBytes);
      this.#read(shard, this.#block, start, length);
      if (crc32(this.#block.subarray(0, length)) !== record.blocks[block])
        throw corruptShard(record, `has other bytes in block ${block}`);
      isChecked[block] = 1;
    }
  }

  #read(shard: number, into: Uint8Array, from: number, length: number): void {
    const file = this.#files[shard] ?? this.#open(shard);
    let read = 0;
    while (read < length) {
      const count = readSync(file, into, read, length - read, from + read);
      if (count === 0) throw corruptShard(this.#shards[shard] as TokenShard, 'ends early');
      read += count;
    }
  }

  /** An open file that was taken away still fills the disk; when it comes again it is checked again. */
  #closeGone(): void {
    for (const [shard, file] of this.#files.entries()) {
      if (file === undefined || existsSync((this.#shards[shard] as TokenShard).path)) continue;
      closeSync(file);
      this.#files[shard] = undefined;
      (this.#isChecked[shard] as Uint8Array).fill(0);
    }
  }

  #open(shard: number): number {
    const record = this.#shards[shard] as TokenShard;
    if (this.#isArriving) {
      this.#closeGone();
      waitForFile(record.path);
    }
    let file: number;
    try {
      file = openSync(record.path, 'r');
    } catch (cause) {
      throw corruptShard(record, 'cannot be read', cause);
    }
    this.#files[shard] = file;
    const { size } = fstatSync(file);
    if (size !== record.tokens * tokenBytes[record.dtype]) throw corruptShard(record, `has ${size} bytes`);
    return file;
  }
}
