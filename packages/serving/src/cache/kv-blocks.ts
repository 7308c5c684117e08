/**
 * K/V memory in blocks (PagedAttention, Kwon et al. 2023, §4; prefix reuse by chained block hash as in
 * nano-vllm): reference-counted, shared by prefix, copied on write. A block that nobody uses keeps what it holds until
 * the memory is wanted; then its content moves to a slot of a slower tier, where there is one, and is fetched back
 * when a prompt begins with it. Only numbers move here; an engine holds the bytes and does the moves.
 */
import { PrefixIndex, rootOf, type Found } from './prefix-index.ts';

export type BlockId = number;

export interface KvBlocksOptions {
  readonly blocks: number;
  readonly tokensPerBlock: number;
  /** Whether a full block stays findable after its last user left, until its memory is wanted. */
  readonly reusePrefixes?: boolean;
  /** Blocks that a slower tier has room for; default 0. */
  readonly spillSlots?: number;
}

/** What to do with the bytes, in this order and before the next pass writes. */
export type KvMove =
  /** Somebody else still reads `from`. */
  | { readonly kind: 'copy'; readonly from: BlockId; readonly to: BlockId }
  | { readonly kind: 'spill'; readonly block: BlockId; readonly slot: number }
  | { readonly kind: 'fetch'; readonly slot: number; readonly block: BlockId };

export interface Sequence {
  readonly blocks: readonly BlockId[];
  readonly tokens: number;
}

interface MutableSequence {
  blocks: BlockId[];
  tokenIds: number[];
  /** The prefix node of each full block that has been computed; the next block's key hangs from the last. */
  nodes: string[];
  /** The node before the first block. Separates tenants: equal prompts of two scopes share nothing. */
  root: string;
}

export interface Need {
  readonly cachedTokens: number;
  /** Blocks that nobody may be using: new ones, and known ones that lie idle. */
  readonly blocks: number;
}

export class KvBlocks {
  readonly tokensPerBlock: number;
  readonly #total: number;
  readonly #reusePrefixes: boolean;
  readonly #references: Uint32Array;
  readonly #prefixes: PrefixIndex;
  /** Nobody uses these; those with a key can still be found. Insertion order is eviction order (LRU). */
  readonly #free = new Set<BlockId>();
  readonly #sequences = new Map<number, MutableSequence>();
  #moves: KvMove[] = [];
  #nextSequence = 1;
  hitTokens = 0;
  promptTokens = 0;

  constructor(options: KvBlocksOptions) {
    this.#total = options.blocks;
    this.tokensPerBlock = options.tokensPerBlock;
    this.#reusePrefixes = options.reusePrefixes ?? true;
    this.#references = new Uint32Array(options.blocks);
    this.#prefixes = new PrefixIndex(options.blocks, options.tokensPerBlock, options.spillSlots ?? 0);
    for (let block = 0; block < options.blocks; block++) this.#free.add(block);
  }

  get freeBlocks(): number {
    return this.#free.size;
  }

  get usedBlocks(): number {
    return this.#total - this.#free.size;
  }

  sequence(id: number): Sequence | undefined {
    const sequence = this.#sequences.get(id);
    return sequence === undefined ? undefined : { blocks: sequence.blocks, tokens: sequence.tokenIds.length };
  }

  referencesOf(block: BlockId): number {
    return this.#references[block] ?? 0;
  }

  /** Of blocks in the slower tier. */
  get spilledBlocks(): number {
    return this.#prefixes.spilledBlocks;
  }

  /** The moves since the last call. */
  takeMoves(): readonly KvMove[] {
    const moves = this.#moves;
    this.#moves = [];
    return moves;
  }

  /** What `open` would take and find. */
  need(tokenIds: readonly number[], scope = '', mayReuse = true): Need {
    const found = this.#find(tokenIds, scope, mayReuse);
    const inUse = found.filter(({ node }) => 'block' in node && !this.#free.has(node.block)).length;
    return {
      cachedTokens: found.length * this.tokensPerBlock,
      blocks: Math.ceil(tokenIds.length / this.tokensPerBlock) - inUse,
    };
  }

  /**
   * Room for a prompt, with `cachedTokens` of it already computed. At least the last token is always left to
   * compute, because its logits are wanted. `undefined` when memory does not suffice; then nothing has changed.
   */
  open(
    tokenIds: readonly number[],
    scope = '',
    mayReuse = true,
  ): { readonly id: number; readonly cachedTokens: number } | undefined {
    const { cachedTokens, blocks: needed } = this.need(tokenIds, scope, mayReuse);
    if (needed > this.#free.size) return undefined;
    const found = this.#find(tokenIds, scope, mayReuse);
    // What is found is held first, so that taking the rest cannot push it out.
    for (const { key, node } of found) {
      if ('block' in node) this.#use(node.block);
      else this.#prefixes.hold(key);
    }
    const blocks = found.map(({ key, node }) => {
      if ('block' in node) return node.block;
      const block = this.#take();
      this.#moves.push(this.#prefixes.fetch(key, node, block));
      return block;
    });
    const total = Math.ceil(tokenIds.length / this.tokensPerBlock);
    while (blocks.length < total) blocks.push(this.#take());
    const id = this.#nextSequence++;
    this.#sequences.set(id, {
      blocks,
      tokenIds: [...tokenIds],
      nodes: found.map(({ node }) => node.name),
      root: rootOf(scope),
    });
    this.hitTokens += cachedTokens;
    this.promptTokens += tokenIds.length;
    return { id, cachedTokens };
  }

  /** The first `tokens` of the sequence have been computed: its full blocks may now be shared. */
  computed(id: number, tokens: number): void {
    const sequence = this.#must(id);
    const full = Math.floor(Math.min(tokens, sequence.tokenIds.length) / this.tokensPerBlock);
    for (let i = sequence.nodes.length; i < full; i++) {
      const parent = sequence.nodes[i - 1] ?? sequence.root;
      const block = sequence.blocks[i] as BlockId;
      sequence.nodes.push(this.#prefixes.register(block, parent, sequence.tokenIds, i, this.#reusePrefixes));
    }
  }

  /**
   * Room for one more token. A shared last block is copied first. False when no block is free: then nothing has
   * changed, and somebody must be preempted.
   */
  append(id: number, tokenId: number): boolean {
    const sequence = this.#must(id);
    const last = sequence.blocks.at(-1);
    if (last === undefined || sequence.tokenIds.length % this.tokensPerBlock === 0) {
      if (this.#free.size === 0) return false;
      sequence.blocks.push(this.#take());
    } else if (this.referencesOf(last) > 1) {
      if (this.#free.size === 0) return false;
      const to = this.#take();
      sequence.blocks[sequence.blocks.length - 1] = to;
      this.#release(last);
      this.#moves.push({ kind: 'copy', from: last, to });
    } else {
      // Cut back earlier while it was shared: what is written now is not what its key says.
      this.#prefixes.forget(last);
    }
    sequence.tokenIds.push(tokenId);
    return true;
  }

  /** A second sequence that shares everything so far: `n` > 1, beams. Costs no block until one of them writes. */
  fork(id: number): number {
    const parent = this.#must(id);
    for (const block of parent.blocks) this.#use(block);
    const child = this.#nextSequence++;
    this.#sequences.set(child, {
      blocks: [...parent.blocks],
      tokenIds: [...parent.tokenIds],
      nodes: [...parent.nodes],
      root: parent.root,
    });
    return child;
  }

  /** Cuts the sequence back to `tokens`: rejected speculation. */
  truncate(id: number, tokens: number): void {
    const sequence = this.#must(id);
    const keep = Math.ceil(tokens / this.tokensPerBlock);
    for (const block of sequence.blocks.splice(keep)) this.#release(block);
    sequence.tokenIds.length = Math.min(tokens, sequence.tokenIds.length);
    sequence.nodes.length = Math.min(sequence.nodes.length, Math.floor(tokens / this.tokensPerBlock));
    // A block that will be written again is no longer what its key says.
    const last = sequence.blocks.at(-1);
    if (last !== undefined && tokens % this.tokensPerBlock !== 0 && this.referencesOf(last) === 1)
      this.#prefixes.forget(last);
  }

  /** Ends a sequence; what it computed stays findable until the memory is wanted. Safe to call again. */
  close(id: number): void {
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) return;
    this.#sequences.delete(id);
    // Last block first: when memory is wanted, ends of prompts go before their beginnings.
    for (const block of sequence.blocks.reverse()) this.#release(block);
  }

  /** Nothing computed is known any more: the bytes were lost. Sequences keep their blocks. */
  forgetPrefixes(): void {
    this.#prefixes.clear();
    this.#moves = [];
  }

  /** The slower tier is gone. */
  closeTier(): void {
    this.#prefixes.closeTier();
  }

  #find(tokenIds: readonly number[], scope: string, mayReuse: boolean): Found[] {
    const most =
      mayReuse && this.#reusePrefixes
        ? Math.floor(Math.max(0, tokenIds.length - 1) / this.tokensPerBlock)
        : 0;
    return this.#prefixes.find(tokenIds, rootOf(scope), most);
  }

  #take(): BlockId {
    const next = this.#free.values().next();
    if (next.done === true) throw new Error('no free block: the caller did not check');
    const block = next.value;
    this.#free.delete(block);
    const spilled = this.#prefixes.spill(block);
    if (spilled !== undefined) this.#moves.push(spilled);
    this.#prefixes.forget(block);
    this.#references[block] = 1;
    return block;
  }

  #use(block: BlockId): void {
    this.#free.delete(block);
    this.#references[block] = this.referencesOf(block) + 1;
  }

  #release(block: BlockId): void {
    const left = this.referencesOf(block) - 1;
    this.#references[block] = left;
    if (left === 0) this.#free.add(block);
  }

  #must(id: number): MutableSequence {
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) throw new Error(`no sequence ${id}`);
    return sequence;
  }
}
