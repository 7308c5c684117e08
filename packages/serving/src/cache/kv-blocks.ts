/**
 * K/V memory in blocks (PagedAttention, Kwon et al. 2023, §4; prefix reuse by chained block hash as in
 * nano-vllm): reference-counted, shared by prefix, copied on write. A block that nobody uses keeps what it holds until
 * the memory is wanted; then its content moves to a slot of a slower tier, where there is one, and is fetched back
 * when a prompt begins with it. Only numbers move here; an engine holds the bytes and does the moves.
 *
 * Two kinds of memory are managed alike: a pool, where any block is anybody's and a prefix is shared by pointing at it,
 * and lanes (`KvLanes`), where an engine's kernels want each sequence in a stretch of its own and a prefix is copied.
 */
import { BlockUses } from './block-uses.ts';
import { compactLanes } from './compact-lanes.ts';
import { KvLanes, type LanesOptions } from './kv-lanes.ts';
import { openInLane, openInPool, usedOf } from './open-sequence.ts';
import { PrefixIndex, rootOf, type Found } from './prefix-index.ts';

export type BlockId = number;

export interface KvBlocksOptions {
  readonly blocks: number;
  readonly tokensPerBlock: number;
  /** Whether a full block stays findable after its last user left, until its memory is wanted. */
  readonly reusePrefixes?: boolean;
  /** Blocks that a slower tier has room for; default 0. */
  readonly spillSlots?: number;
  /** The memory is cut into lanes; absent: it is a pool. */
  readonly lanes?: LanesOptions;
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
  /** How many of the tokens are in the memory. */
  computed: number;
}

export interface Need {
  readonly cachedTokens: number;
  /** Blocks that nobody may be using: new ones, and known ones that lie idle. */
  readonly blocks: number;
}

export class KvBlocks {
  readonly tokensPerBlock: number;
  readonly #reusePrefixes: boolean;
  readonly #prefixes: PrefixIndex;
  readonly #uses: BlockUses;
  readonly #lanes: KvLanes | undefined;
  readonly #sequences = new Map<number, MutableSequence>();
  #nextSequence = 1;
  hitTokens = 0;
  promptTokens = 0;

  constructor(options: KvBlocksOptions) {
    this.tokensPerBlock = options.tokensPerBlock;
    this.#reusePrefixes = options.reusePrefixes ?? true;
    this.#prefixes = new PrefixIndex(options.blocks, options.tokensPerBlock, options.spillSlots ?? 0);
    this.#uses = new BlockUses(options.blocks, this.#prefixes);
    this.#lanes = options.lanes && new KvLanes(options.blocks, options.lanes);
  }

  /** Whether a second sequence may point at the blocks of the first. */
  get canFork(): boolean {
    return this.#lanes === undefined;
  }

  /** Whether `blocks` more may be taken, and `reserve` beside them for those that are here. */
  hasRoom(blocks: number, reserve: number): boolean {
    return this.#lanes?.hasFree ?? this.#uses.free >= blocks + reserve;
  }

  get freeBlocks(): number {
    return this.#uses.free;
  }

  get usedBlocks(): number {
    return this.#uses.total - this.#uses.free;
  }

  sequence(id: number): Sequence | undefined {
    const sequence = this.#sequences.get(id);
    return sequence === undefined ? undefined : { blocks: sequence.blocks, tokens: sequence.tokenIds.length };
  }

  referencesOf(block: BlockId): number {
    return this.#uses.of(block);
  }

  /** Of blocks in the slower tier. */
  get spilledBlocks(): number {
    return this.#prefixes.spilledBlocks;
  }

  /** The moves since the last call. */
  takeMoves(): readonly KvMove[] {
    return this.#uses.takeMoves();
  }

  /** What `open` would take and find. */
  need(tokenIds: readonly number[], scope = '', mayReuse = true): Need {
    const found = this.#find(tokenIds, scope, mayReuse);
    return {
      cachedTokens: found.length * this.tokensPerBlock,
      blocks: Math.ceil(tokenIds.length / this.tokensPerBlock) - usedOf(found, this.#uses),
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
    const found = this.#find(tokenIds, scope, mayReuse);
    const parts = { uses: this.#uses, prefixes: this.#prefixes };
    const total = Math.ceil(tokenIds.length / this.tokensPerBlock);
    const opened =
      this.#lanes === undefined
        ? openInPool(parts, found, total)
        : openInLane(parts, this.#lanes, found, total);
    if (opened === undefined) return undefined;
    const cachedTokens = opened.reused * this.tokensPerBlock;
    const id = this.#nextSequence++;
    this.#lanes?.take(this.#lanes.laneOf(opened.blocks[0] as BlockId), id);
    this.#sequences.set(id, {
      blocks: opened.blocks,
      tokenIds: [...tokenIds],
      nodes: found.slice(0, opened.reused).map(({ node }) => node.name),
      root: rootOf(scope),
      computed: cachedTokens,
    });
    this.hitTokens += cachedTokens;
    this.promptTokens += tokenIds.length;
    return { id, cachedTokens };
  }

  /** Closes gaps between the lanes; a sequence of more computed tokens stays where it is. */
  compact(mostTokens: number): void {
    if (this.#lanes === undefined) return;
    const parts = { uses: this.#uses, prefixes: this.#prefixes };
    compactLanes(parts, this.#lanes, mostTokens, this.tokensPerBlock, (id) => this.#must(id));
  }

  /** The first `tokens` of the sequence have been computed: its full blocks may now be shared. */
  computed(id: number, tokens: number): void {
    const sequence = this.#must(id);
    sequence.computed = tokens;
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
      if (this.#uses.free === 0) return false;
      sequence.blocks.push(this.#next(sequence));
    } else if (this.referencesOf(last) > 1) {
      if (this.#uses.free === 0) return false;
      const to = this.#uses.take();
      sequence.blocks[sequence.blocks.length - 1] = to;
      this.#uses.release(last);
      this.#uses.move({ kind: 'copy', from: last, to });
    } else {
      // Cut back earlier while it was shared: what is written now is not what its key says.
      this.#prefixes.forget(last);
    }
    sequence.tokenIds.push(tokenId);
    return true;
  }

  /** A second sequence that shares everything so far: `n` > 1, beams. Costs no block until one of them writes. */
  fork(id: number): number {
    if (!this.canFork) throw new Error('what lies in a lane is not shared');
    const parent = this.#must(id);
    for (const block of parent.blocks) this.#uses.use(block);
    const child = this.#nextSequence++;
    this.#sequences.set(child, {
      blocks: [...parent.blocks],
      tokenIds: [...parent.tokenIds],
      nodes: [...parent.nodes],
      root: parent.root,
      computed: parent.computed,
    });
    return child;
  }

  /** Cuts the sequence back to `tokens`: rejected speculation. */
  truncate(id: number, tokens: number): void {
    const sequence = this.#must(id);
    const keep = Math.ceil(tokens / this.tokensPerBlock);
    for (const block of sequence.blocks.splice(keep)) this.#uses.release(block);
    sequence.tokenIds.length = Math.min(tokens, sequence.tokenIds.length);
    sequence.computed = Math.min(tokens, sequence.computed);
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
    if (sequence.blocks[0] !== undefined) this.#lanes?.release(this.#lanes.laneOf(sequence.blocks[0]));
    // Last block first: when memory is wanted, ends of prompts go before their beginnings.
    for (const block of sequence.blocks.reverse()) this.#uses.release(block);
  }

  /** Nothing computed is known any more: the bytes were lost. Sequences keep their blocks. */
  forgetPrefixes(): void {
    this.#prefixes.clear();
    this.#uses.takeMoves();
  }

  /** What the sequence was to go on from did not come: nothing of it is computed. */
  lose(id: number): void {
    const sequence = this.#must(id);
    sequence.nodes = [];
    sequence.computed = 0;
    for (const block of sequence.blocks) this.#prefixes.forget(block);
  }

  /** The slower tier does not have these slots after all. */
  dropSlots(slots: readonly number[]): void {
    this.#prefixes.dropSlots(slots);
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

  /** Where the sequence goes on when its last block is full. */
  #next({ blocks }: MutableSequence): BlockId {
    const last = blocks.at(-1);
    if (this.#lanes === undefined || last === undefined) return this.#uses.take();
    const block = last + 1;
    if (this.#lanes.laneOf(block) !== this.#lanes.laneOf(last)) throw new Error('the lane is full');
    this.#uses.use(block);
    return block;
  }

  #must(id: number): MutableSequence {
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) throw new Error(`no sequence ${id}`);
    return sequence;
  }
}
