/**
 * How many sequences use each block of K/V memory, which nobody uses, and what the bytes have to do. A free block keeps
 * what it holds, findable by its prefix, until it is taken; the one that became free first goes first.
 */
import type { BlockId, KvMove } from './kv-blocks.ts';
import type { PrefixIndex } from './prefix-index.ts';

export class BlockUses {
  readonly total: number;
  readonly #prefixes: PrefixIndex;
  readonly #references: Uint32Array;
  /** Insertion order is eviction order (LRU). */
  readonly #free = new Set<BlockId>();
  #moves: KvMove[] = [];

  constructor(blocks: number, prefixes: PrefixIndex) {
    this.total = blocks;
    this.#prefixes = prefixes;
    this.#references = new Uint32Array(blocks);
    for (let block = 0; block < blocks; block++) this.#free.add(block);
  }

  /** Blocks that nobody uses, whatever they hold. */
  get free(): number {
    return this.#free.size;
  }

  isFree(block: BlockId): boolean {
    return this.#free.has(block);
  }

  /** How many sequences use it. */
  of(block: BlockId): number {
    return this.#references[block] ?? 0;
  }

  /** The block that costs least of those that hold the same: one that is in use already. */
  cheapest(blocks: readonly [BlockId, ...BlockId[]]): BlockId {
    return blocks.find((block) => !this.#free.has(block)) ?? blocks[0];
  }

  /** A free block of anybody's; what it holds leaves it. The caller knows that there is one. */
  take(): BlockId {
    const next = this.#free.values().next();
    if (next.done === true) throw new Error('no free block: the caller did not check');
    const block = next.value;
    this.evict(block);
    this.#free.delete(block);
    this.#references[block] = 1;
    return block;
  }

  /** What the block holds moves to the slower tier, where it is wanted there, and is no longer found here. */
  evict(block: BlockId, isWorthKeeping = true): void {
    const spilled = isWorthKeeping ? this.#prefixes.spill(block) : undefined;
    if (spilled !== undefined) this.#moves.push(spilled);
    this.#prefixes.forget(block);
  }

  /** One sequence more; a free block is free no longer. */
  use(block: BlockId): void {
    this.#free.delete(block);
    this.#references[block] = this.of(block) + 1;
  }

  /** One sequence less; the last one leaves it free, and what it holds findable. */
  release(block: BlockId): void {
    const left = this.of(block) - 1;
    this.#references[block] = left;
    if (left === 0) this.#free.add(block);
  }

  /** Behind the moves that are due already. */
  move(move: KvMove): void {
    this.#moves.push(move);
  }

  /** The moves since the last call. */
  takeMoves(): readonly KvMove[] {
    const moves = this.#moves;
    this.#moves = [];
    return moves;
  }
}
