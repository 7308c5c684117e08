/**
 * Reads elements of a rank's shard straight to where they belong, some blocks ahead of the one whose checksum is
 * made. A block that is wanted whole is never copied; one that is wanted in part is read aside.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { ShardFile, ShardRecord } from './checkpoint-manifest.ts';

/** Elements of the shard from `from` on, and where they go. */
export interface ShardSegment {
  readonly from: number;
  readonly into: Float32Array;
}

/** What is wanted of one block; `at` in bytes of the block. */
interface Piece {
  readonly at: number;
  readonly into: Uint8Array;
}

interface BlockPlan {
  readonly file: ShardFile;
  readonly number: number;
  readonly length: number;
  readonly pieces: readonly Piece[];
}

interface LoadedBlock {
  readonly plan: BlockPlan;
  readonly bytes: Uint8Array;
  /** When the block was read aside. */
  readonly scratch: Uint8Array | undefined;
}

/** Blocks on their way at one time. */
const depth = 4;

export class ShardReader implements AsyncDisposable {
  readonly #directory: string;
  readonly #record: ShardRecord;
  readonly #blockBytes: number;
  readonly #handles = new Map<ShardFile, Promise<FileHandle>>();
  readonly #free: Uint8Array[] = [];

  constructor(directory: string, record: ShardRecord, blockBytes: number) {
    this.#directory = directory;
    this.#record = record;
    this.#blockBytes = blockBytes;
  }

  /** Throws a sentence when a block is not what was written; what is filled by then is not to be used. */
  async read(segments: readonly ShardSegment[]): Promise<void> {
    await this.#run(this.#plan(joined(segments)));
  }

  /** Reads all of it, for its checksums only. */
  async verify(): Promise<void> {
    const plans = this.#record.files.flatMap((file) =>
      file.blocks.map((_, number) => this.#blockPlan(file, number, [])),
    );
    await this.#run(plans);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles.values()) await (await handle.catch(() => undefined))?.close();
  }

  async #run(plans: readonly BlockPlan[]): Promise<void> {
    const coming: Promise<LoadedBlock>[] = [];
    let next = 0;
    try {
      while (next < plans.length || coming.length > 0) {
        while (coming.length < depth && next < plans.length) {
          const loading = this.#load(plans[next++] as BlockPlan);
          // Whoever waits for it hears of its failure.
          loading.catch(() => undefined);
          coming.push(loading);
        }
        this.#take(await (coming.shift() as Promise<LoadedBlock>));
      }
    } finally {
      await Promise.allSettled(coming);
    }
  }

  #take({ plan, bytes, scratch }: LoadedBlock): void {
    const { file, number, pieces } = plan;
    if (crc32(bytes) !== file.blocks[number])
      throw new Error(`${file.path} does not agree with its checksum at block ${number}`);
    if (scratch === undefined) return;
    for (const { at, into } of pieces) into.set(bytes.subarray(at, at + into.length));
    this.#free.push(scratch);
  }

  async #load(plan: BlockPlan): Promise<LoadedBlock> {
    const { file, number, length, pieces } = plan;
    const [piece] = pieces;
    const isWhole = pieces.length === 1 && piece?.into.length === length;
    const scratch = isWhole ? undefined : (this.#free.pop() ?? new Uint8Array(this.#blockBytes));
    const bytes = isWhole ? piece.into : (scratch as Uint8Array).subarray(0, length);
    const handle = await this.#open(file);
    for (let read = 0; read < length;) {
      const { bytesRead } = await handle.read(bytes, read, length - read, number * this.#blockBytes + read);
      if (bytesRead === 0) throw new Error(`${file.path} is cut short`);
      read += bytesRead;
    }
    return { plan, bytes, scratch };
  }

  /** Blocks in the order of the files, each once, with all that is wanted of it. */
  #plan(segments: readonly ShardSegment[]): BlockPlan[] {
    const plans: BlockPlan[] = [];
    let start = 0;
    for (const file of this.#record.files) {
      const pieces = new Map<number, Piece[]>();
      for (const { from, into } of segments) this.#cut(from * 4 - start, bytesOf(into), file, pieces);
      for (const number of [...pieces.keys()].toSorted((one, other) => one - other))
        plans.push(this.#blockPlan(file, number, pieces.get(number) ?? []));
      start += file.bytes;
    }
    const last = segments.at(-1);
    if (last !== undefined && (last.from + last.into.length) * 4 > start)
      throw new Error(`the shard of rank ${this.#record.rank} is too short`);
    return plans;
  }

  /** Of `into`, whose bytes begin at `from` of the file, what lies in this file, by block. */
  #cut(from: number, into: Uint8Array, file: ShardFile, pieces: Map<number, Piece[]>): void {
    const end = Math.min(from + into.length, file.bytes);
    for (let at = Math.max(0, from); at < end;) {
      const number = Math.floor(at / this.#blockBytes);
      const stop = Math.min(end, (number + 1) * this.#blockBytes);
      const piece = { at: at - number * this.#blockBytes, into: into.subarray(at - from, stop - from) };
      const known = pieces.get(number);
      if (known === undefined) pieces.set(number, [piece]);
      else known.push(piece);
      at = stop;
    }
  }

  #blockPlan(file: ShardFile, number: number, pieces: readonly Piece[]): BlockPlan {
    const length = Math.min(this.#blockBytes, file.bytes - number * this.#blockBytes);
    return { file, number, length, pieces };
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

/** Neighbours in the shard that are neighbours in memory too become one: more blocks are wanted whole. */
function joined(segments: readonly ShardSegment[]): ShardSegment[] {
  const all: ShardSegment[] = [];
  for (const segment of segments.toSorted((one, other) => one.from - other.from)) {
    const last = all.at(-1);
    const isNext =
      last !== undefined &&
      last.from + last.into.length === segment.from &&
      last.into.buffer === segment.into.buffer &&
      last.into.byteOffset + last.into.byteLength === segment.into.byteOffset;
    if (!isNext) {
      all.push(segment);
      continue;
    }
    const { buffer, byteOffset, length } = last.into;
    const into = new Float32Array(buffer, byteOffset, length + segment.into.length);
    all[all.length - 1] = { from: last.from, into };
  }
  return all;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
