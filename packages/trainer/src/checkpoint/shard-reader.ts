/**
 * Reads elements of a rank's shard straight to where they belong, some blocks ahead of the one whose checksum is
 * made. A block that is wanted whole is never copied; one that is wanted in part is read aside.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { unpackBlock } from './packed-block.ts';
import type { BlockPlace, ShardRecord } from './checkpoint-manifest.ts';

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
  readonly place: BlockPlace;
  readonly number: number;
  /** In memory. */
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
  readonly #handles = new Map<string, Promise<FileHandle>>();
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
    await this.#run(this.#record.blocks.map((_, number) => this.#blockPlan(number, [])));
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
    const { place, pieces, length } = plan;
    const plain = place.bytes < length ? this.#unpack(plan, bytes) : bytes;
    if (crc32(plain) !== place.crc32) throw this.#disagrees(plan);
    if (scratch === undefined) return;
    for (const { at, into } of pieces) into.set(plain.subarray(at, at + into.length));
    this.#free.push(scratch);
  }

  #unpack(plan: BlockPlan, bytes: Uint8Array): Uint8Array {
    try {
      return unpackBlock(bytes, plan.length);
    } catch {
      throw this.#disagrees(plan);
    }
  }

  #disagrees({ place, number }: BlockPlan): Error {
    return new Error(`${place.file} does not agree with its checksum at block ${number}`);
  }

  async #load(plan: BlockPlan): Promise<LoadedBlock> {
    const { place, length, pieces } = plan;
    const [piece] = pieces;
    const isDirect = pieces.length === 1 && piece?.into.length === length && place.bytes === length;
    const scratch = isDirect ? undefined : (this.#free.pop() ?? new Uint8Array(this.#blockBytes));
    const bytes = isDirect ? piece.into : (scratch as Uint8Array).subarray(0, place.bytes);
    const handle = await this.#open(place.file);
    for (let read = 0; read < bytes.length;) {
      const { bytesRead } = await handle.read(bytes, read, bytes.length - read, place.at + read);
      if (bytesRead === 0) throw new Error(`${place.file} is cut short`);
      read += bytesRead;
    }
    return { plan, bytes, scratch };
  }

  /** Blocks in their order, each once, with all that is wanted of it. */
  #plan(segments: readonly ShardSegment[]): BlockPlan[] {
    const pieces = new Map<number, Piece[]>();
    for (const { from, into } of segments) this.#cut(from * 4, bytesOf(into), pieces);
    return [...pieces.keys()]
      .toSorted((one, other) => one - other)
      .map((number) => this.#blockPlan(number, pieces.get(number) ?? []));
  }

  /** Of `into`, whose bytes begin at `from` of the shard, what lies in each block. */
  #cut(from: number, into: Uint8Array, pieces: Map<number, Piece[]>): void {
    const end = from + into.length;
    if (end > this.#record.bytes) throw new Error(`the shard of rank ${this.#record.rank} is too short`);
    for (let at = from; at < end;) {
      const number = Math.floor(at / this.#blockBytes);
      const stop = Math.min(end, (number + 1) * this.#blockBytes);
      const piece = { at: at - number * this.#blockBytes, into: into.subarray(at - from, stop - from) };
      const known = pieces.get(number);
      if (known === undefined) pieces.set(number, [piece]);
      else known.push(piece);
      at = stop;
    }
  }

  #blockPlan(number: number, pieces: readonly Piece[]): BlockPlan {
    const place = this.#record.blocks[number];
    if (place === undefined) throw new Error(`block ${number} of rank ${this.#record.rank} is missing`);
    const length = Math.min(this.#blockBytes, this.#record.bytes - number * this.#blockBytes);
    if (place.bytes > length) throw new Error(`block ${number} of rank ${this.#record.rank} is too long`);
    return { place, number, length, pieces };
  }

  #open(path: string): Promise<FileHandle> {
    const known = this.#handles.get(path);
    if (known !== undefined) return known;
    const opening = this.#openChecked(path);
    this.#handles.set(path, opening);
    return opening;
  }

  async #openChecked(path: string): Promise<FileHandle> {
    const file = this.#record.files.find((one) => one.path === path);
    if (file === undefined) throw new Error(`${path} is not among the files of rank ${this.#record.rank}`);
    const handle = await open(join(this.#directory, path), 'r').catch(() => {
      throw new Error(`${path} is missing`);
    });
    const { size } = await handle.stat();
    if (size === file.bytes) return handle;
    await handle.close();
    throw new Error(`${path} has ${size} bytes instead of ${file.bytes}`);
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
