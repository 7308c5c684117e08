/**
 * Which prefix each block of K/V memory holds, so that a prompt that begins alike can go on from it (chained block
 * keys, as in nano-vllm), and what lies in a slot of the slower tier instead. Blocks keep no order here; who may be
 * taken is the block manager's.
 */
import type { BlockId, KvMove } from './kv-blocks.ts';

interface PrefixNode {
  readonly block: BlockId;
  readonly name: string;
}

/** A prefix whose content lies in the slower tier. */
interface SpilledNode {
  readonly slot: number;
  readonly name: string;
}

/** Where a leading block of a prompt can be had. */
export interface Found {
  readonly key: string;
  readonly node: PrefixNode | SpilledNode;
}

export class PrefixIndex {
  readonly #tokensPerBlock: number;
  readonly #keyOf: (string | undefined)[];
  /** Exact keys (parent node and the block's tokens), not hashes: a collision would give one prompt another's cache. */
  readonly #byKey = new Map<string, PrefixNode>();
  /** Insertion order is eviction order. A key is here or in `#byKey`, never in both. */
  readonly #spilled = new Map<string, SpilledNode>();
  #freeSlots: number[];
  #nextNode = 1;

  constructor(blocks: number, tokensPerBlock: number, spillSlots: number) {
    this.#tokensPerBlock = tokensPerBlock;
    this.#keyOf = Array.from({ length: blocks }, () => undefined);
    this.#freeSlots = Array.from({ length: spillSlots }, (_, slot) => slot);
  }

  /** Of blocks in the slower tier. */
  get spilledBlocks(): number {
    return this.#spilled.size;
  }

  /** The longest chain of known blocks that the tokens begin with, at most so many. */
  find(tokenIds: readonly number[], root: string, most: number): Found[] {
    const found: Found[] = [];
    for (let at = 0; at < most; at++) {
      const key = this.#key(found[at - 1]?.node.name ?? root, tokenIds, at);
      const node = this.#byKey.get(key) ?? this.#spilled.get(key);
      if (node === undefined) break;
      found.push({ key, node });
    }
    return found;
  }

  /** The node of a block that was computed; with `mayHold` the block is from now on what the key is found at. */
  register(
    block: BlockId,
    parent: string,
    tokenIds: readonly number[],
    at: number,
    mayHold: boolean,
  ): string {
    const key = this.#key(parent, tokenIds, at);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.name;
    const spilled = this.#spilled.get(key);
    if (spilled !== undefined) {
      this.#spilled.delete(key);
      this.#freeSlots.push(spilled.slot);
    }
    const node = { block, name: spilled?.name ?? `n${this.#nextNode++}` };
    if (mayHold && this.#keyOf[block] === undefined) {
      this.#byKey.set(key, node);
      this.#keyOf[block] = key;
    }
    return node.name;
  }

  /** What the block holds goes to the slower tier, in place of what has been there longest. */
  spill(block: BlockId): KvMove | undefined {
    const key = this.#keyOf[block];
    const node = key === undefined ? undefined : this.#byKey.get(key);
    if (key === undefined || node === undefined) return undefined;
    let slot = this.#freeSlots.pop();
    if (slot === undefined) {
      const [oldest] = this.#spilled;
      if (oldest === undefined) return undefined;
      this.#spilled.delete(oldest[0]);
      slot = oldest[1].slot;
    }
    this.#spilled.set(key, { slot, name: node.name });
    return { kind: 'spill', block, slot };
  }

  /** Taken out of the tier's order, so that making room cannot push it out before it is fetched. */
  hold(key: string): void {
    this.#spilled.delete(key);
  }

  /** What was held comes back into a block. */
  fetch(key: string, { slot, name }: SpilledNode, block: BlockId): KvMove {
    this.#freeSlots.push(slot);
    this.#byKey.set(key, { block, name });
    this.#keyOf[block] = key;
    return { kind: 'fetch', slot, block };
  }

  /** The block is about to be written. */
  forget(block: BlockId): void {
    const key = this.#keyOf[block];
    if (key === undefined) return;
    this.#keyOf[block] = undefined;
    this.#byKey.delete(key);
  }

  /** The bytes were lost. */
  clear(): void {
    for (const block of this.#keyOf.keys()) this.#keyOf[block] = undefined;
    this.#byKey.clear();
    this.#freeSlots.push(...Array.from(this.#spilled.values(), ({ slot }) => slot));
    this.#spilled.clear();
  }

  /** The slower tier is gone. */
  closeTier(): void {
    this.#spilled.clear();
    this.#freeSlots = [];
  }

  #key(parent: string, tokenIds: readonly number[], at: number): string {
    return `${parent}:${tokenIds.slice(at * this.#tokensPerBlock, (at + 1) * this.#tokensPerBlock).join(',')}`;
  }
}

/** Separates tenants: equal prompts of two scopes share nothing. */
export const rootOf = (scope: string): string => `scope ${scope}`;
