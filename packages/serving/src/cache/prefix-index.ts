/**
 * Which prefix each block of K/V memory holds, so that a prompt that begins alike can go on from it (chained block
 * keys, as in nano-vllm), and what lies in a slot of the slower tier instead. Several blocks may hold the same: it is
 * lost with the last of them. Blocks keep no order here; who may be taken is the block manager's.
 */
import type { BlockId, KvMove } from './kv-blocks.ts';

interface PrefixNode {
  readonly name: string;
  /** At least one. */
  readonly blocks: readonly [BlockId, ...BlockId[]];
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

  isKnown(block: BlockId): boolean {
    return this.#keyOf[block] !== undefined;
  }

  /** Whether the block holds what the key says. */
  holds(block: BlockId, key: string): boolean {
    return this.#keyOf[block] === key;
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

  /** The node of a block that was computed; with `mayHold` the key is from now on found at the block too. */
  register(
    block: BlockId,
    parent: string,
    tokenIds: readonly number[],
    at: number,
    mayHold: boolean,
  ): string {
    const key = this.#key(parent, tokenIds, at);
    const spilled = this.#spilled.get(key);
    if (spilled !== undefined) {
      this.#spilled.delete(key);
      this.#freeSlots.push(spilled.slot);
    }
    const name = this.#byKey.get(key)?.name ?? spilled?.name ?? `n${this.#nextNode++}`;
    if (mayHold && !this.isKnown(block)) this.hold(block, key, name);
    return name;
  }

  /** The block has got what the key says, by being computed or copied. */
  hold(block: BlockId, key: string, name: string): void {
    const blocks = this.#byKey.get(key)?.blocks ?? [];
    this.#byKey.set(key, { name, blocks: [...blocks, block] as unknown as PrefixNode['blocks'] });
    this.#keyOf[block] = key;
  }

  /** What was known to lie in `from` lies in `to`, which held nothing. */
  move(from: BlockId, to: BlockId): void {
    const key = this.#keyOf[from];
    const node = key === undefined ? undefined : this.#byKey.get(key);
    if (key === undefined || node === undefined) return;
    this.hold(to, key, node.name);
    this.forget(from);
  }

  /** What only this block holds goes to the slower tier, in place of what has been there longest. */
  spill(block: BlockId): KvMove | undefined {
    const key = this.#keyOf[block];
    const node = key === undefined ? undefined : this.#byKey.get(key);
    if (key === undefined || node === undefined || node.blocks.length > 1) return undefined;
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
  reserve(key: string): void {
    this.#spilled.delete(key);
  }

  /** What was reserved comes back into a block. */
  fetch(key: string, { slot, name }: SpilledNode, block: BlockId): KvMove {
    this.#freeSlots.push(slot);
    this.hold(block, key, name);
    return { kind: 'fetch', slot, block };
  }

  /** The slower tier does not have these slots after all. */
  dropSlots(slots: readonly number[]): void {
    for (const [key, { slot }] of this.#spilled) {
      if (!slots.includes(slot)) continue;
      this.#spilled.delete(key);
      this.#freeSlots.push(slot);
    }
  }

  /** The block is about to be written. */
  forget(block: BlockId): void {
    const key = this.#keyOf[block];
    if (key === undefined) return;
    this.#keyOf[block] = undefined;
    const node = this.#byKey.get(key);
    const [first, ...others] = node?.blocks.filter((one) => one !== block) ?? [];
    if (node === undefined || first === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, { name: node.name, blocks: [first, ...others] });
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
