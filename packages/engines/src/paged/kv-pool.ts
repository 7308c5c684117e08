/**
 * The bytes behind the block numbers: for each layer keys and values as [blocks, K, N, D], which the graph reads in
 * place, and behind them a slower tier of whole blocks, first in memory, then in a file.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { KvMove } from '@gantry/serving';

export interface KvPoolOptions {
  /** Keys and values of each layer are a plane of their own. */
  readonly planes: number;
  readonly blocks: number;
  readonly kvHeads: number;
  readonly tokensPerBlock: number;
  readonly headWidth: number;
  /** Slots of the slower tier, the first of them in memory. */
  readonly memorySlots: number;
  readonly diskSlots: number;
  /** Where the file of the disk slots lies; gone when the pool is closed, or its process dies. */
  readonly folder?: string;
}

export class KvPool implements Disposable {
  /** One a plane: [blocks, K, N, D]. */
  readonly planes: readonly Float32Array[];
  readonly #options: KvPoolOptions;
  /** Floats of a block in one plane. */
  readonly #blockFloats: number;
  readonly #memory: Float32Array;
  readonly #file: number | undefined;
  readonly #buffer: Float32Array;

  constructor(options: KvPoolOptions) {
    const { planes, blocks, kvHeads, tokensPerBlock, headWidth, memorySlots, diskSlots, folder } = options;
    this.#options = options;
    this.#blockFloats = kvHeads * tokensPerBlock * headWidth;
    this.planes = Array.from({ length: planes }, () => new Float32Array(blocks * this.#blockFloats));
    this.#memory = new Float32Array(memorySlots * planes * this.#blockFloats);
    this.#buffer = new Float32Array(planes * this.#blockFloats);
    if (diskSlots > 0 && folder !== undefined) {
      const path = join(folder, `kv-${process.pid}-${Date.now()}.part`);
      this.#file = openSync(path, 'wx+', 0o600);
      // Open but nameless: nothing is left behind, however this process ends.
      rmSync(path);
    }
  }

  move(moves: readonly KvMove[]): void {
    for (const one of moves) {
      if (one.kind === 'copy') this.#copy(one.from, one.to);
      else if (one.kind === 'spill') this.#spill(one.block, one.slot);
      else this.#fetch(one.slot, one.block);
    }
  }

  /**
   * New keys or values of a plane into their cells: `fresh` is [S, K, Q, D], of which sequence `at` holds those of the
   * positions from `firstPosition` on.
   */
  write(
    plane: number,
    fresh: Float32Array,
    at: number,
    cells: {
      readonly table: readonly number[];
      readonly firstPosition: number;
      readonly count: number;
      readonly tokensEach: number;
    },
  ): void {
    const { kvHeads, tokensPerBlock, headWidth } = this.#options;
    const pool = this.planes[plane] as Float32Array;
    const { table, firstPosition, count, tokensEach } = cells;
    for (let head = 0; head < kvHeads; head++) {
      const row = (at * kvHeads + head) * tokensEach;
      for (let index = 0; index < count; index++) {
        const position = firstPosition + index;
        const block = table[Math.floor(position / tokensPerBlock)] as number;
        const cell = (block * kvHeads + head) * tokensPerBlock + (position % tokensPerBlock);
        const from = (row + index) * headWidth;
        pool.set(fresh.subarray(from, from + headWidth), cell * headWidth);
      }
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }

  #copy(from: number, to: number): void {
    const size = this.#blockFloats;
    for (const plane of this.planes) plane.copyWithin(to * size, from * size, (from + 1) * size);
  }

  #spill(block: number, slot: number): void {
    const size = this.#blockFloats;
    const target = this.#inMemory(slot) ?? this.#buffer;
    for (const [plane, pool] of this.planes.entries())
      target.set(pool.subarray(block * size, (block + 1) * size), plane * size);
    if (target !== this.#buffer) return;
    const bytes = bytesOf(target);
    const written = writeSync(this.#file as number, bytes, 0, bytes.byteLength, this.#offset(slot));
    if (written !== bytes.byteLength) throw new Error('the disk of the K/V tier is full');
  }

  #fetch(slot: number, block: number): void {
    const size = this.#blockFloats;
    let source = this.#inMemory(slot);
    if (source === undefined) {
      source = this.#buffer;
      const bytes = bytesOf(source);
      const read = readSync(this.#file as number, bytes, 0, bytes.byteLength, this.#offset(slot));
      if (read !== bytes.byteLength) throw new Error('the K/V tier lost a block');
    }
    for (const [plane, pool] of this.planes.entries())
      pool.set(source.subarray(plane * size, (plane + 1) * size), block * size);
  }

  #inMemory(slot: number): Float32Array | undefined {
    const size = this.#buffer.length;
    return slot < this.#options.memorySlots
      ? this.#memory.subarray(slot * size, (slot + 1) * size)
      : undefined;
  }

  #offset(slot: number): number {
    return (slot - this.#options.memorySlots) * this.#buffer.byteLength;
  }
}

const bytesOf = (floats: Float32Array): Uint8Array =>
  new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
