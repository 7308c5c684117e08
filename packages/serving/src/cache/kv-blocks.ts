/**
 * K/V memory in blocks (PagedAttention, Kwon et al. 2023, §4; prefix reuse by chained block hash as in
 * nano-vllm): reference-counted, shared by prefix, copied on write. Only numbers move here; an engine holds the
 * bytes and does the copies that `append` and `fork` ask for.
 */
export type BlockId = number;

export interface KvBlocksOptions {
  readonly blocks: number;
  readonly tokensPerBlock: number;
  /** Whether a full block stays findable after its last user left, until its memory is wanted. */
  readonly reusePrefixes?: boolean;
}

/** Copy the bytes of `from` into `to` before the next write: somebody else still reads `from`. */
export interface BlockCopy {
  readonly from: BlockId;
  readonly to: BlockId;
}

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

interface PrefixNode {
  readonly block: BlockId;
  readonly name: string;
}

export class KvBlocks {
  readonly tokensPerBlock: number;
  readonly #total: number;
  readonly #reusePrefixes: boolean;
  readonly #references: Uint32Array;
  readonly #keyOf: (string | undefined)[];
  /** Exact keys (parent node and the block's tokens), not hashes: a collision would give one prompt another's cache. */
  readonly #byKey = new Map<string, PrefixNode>();
  /** Nobody uses these; those with a key can still be found. Insertion order is eviction order (LRU). */
  readonly #free = new Set<BlockId>();
  readonly #sequences = new Map<number, MutableSequence>();
  #nextSequence = 1;
  #nextNode = 1;
  hitTokens = 0;
  promptTokens = 0;

  constructor(options: KvBlocksOptions) {
    this.#total = options.blocks;
    this.tokensPerBlock = options.tokensPerBlock;
    this.#reusePrefixes = options.reusePrefixes ?? true;
    this.#references = new Uint32Array(options.blocks);
    this.#keyOf = Array.from({ length: options.blocks }, () => undefined);
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

  /**
   * Room for a prompt, with `cachedTokens` of it already computed. At least the last token is always left to
   * compute, because its logits are wanted. `undefined` when memory does not suffice; then nothing has changed.
   */
  open(
    tokenIds: readonly number[],
    scope = '',
  ): { readonly id: number; readonly cachedTokens: number } | undefined {
    const size = this.tokensPerBlock;
    const root = `scope ${scope}`;
    const found: PrefixNode[] = [];
    const mayReuse = this.#reusePrefixes ? Math.floor(Math.max(0, tokenIds.length - 1) / size) : 0;
    for (let i = 0; i < mayReuse; i++) {
      const node = this.#byKey.get(this.#key(found[i - 1]?.name ?? root, tokenIds, i));
      if (node === undefined) break;
      found.push(node);
    }
    const reusable = found.map(({ block }) => block);
    const needed = Math.ceil(tokenIds.length / size) - reusable.length;
    const idleAmongReused = reusable.filter((block) => this.#free.has(block)).length;
    if (needed > this.#free.size - idleAmongReused) return undefined;
    for (const block of reusable) this.#use(block);
    const blocks = [...reusable];
    for (let i = 0; i < needed; i++) blocks.push(this.#take());
    const id = this.#nextSequence++;
    this.#sequences.set(id, { blocks, tokenIds: [...tokenIds], nodes: found.map(({ name }) => name), root });
    this.hitTokens += reusable.length * size;
    this.promptTokens += tokenIds.length;
    return { id, cachedTokens: reusable.length * size };
  }

  /** The first `tokens` of the sequence have been computed: its full blocks may now be shared. */
  computed(id: number, tokens: number): void {
    const sequence = this.#must(id);
    const full = Math.floor(Math.min(tokens, sequence.tokenIds.length) / this.tokensPerBlock);
    for (let i = sequence.nodes.length; i < full; i++) {
      const key = this.#key(sequence.nodes[i - 1] ?? sequence.root, sequence.tokenIds, i);
      const known = this.#byKey.get(key);
      if (known !== undefined) {
        sequence.nodes.push(known.name);
        continue;
      }
      const block = sequence.blocks[i] as BlockId;
      const node = { block, name: `n${this.#nextNode++}` };
      sequence.nodes.push(node.name);
      if (!this.#reusePrefixes || this.#keyOf[block] !== undefined) continue;
      this.#byKey.set(key, node);
      this.#keyOf[block] = key;
    }
  }

  /**
   * Room for one more token. A shared last block is copied first. `undefined` when no block is free: then
   * nothing has changed, and somebody must be preempted.
   */
  append(id: number, tokenId: number): { readonly copy: BlockCopy | undefined } | undefined {
    const sequence = this.#must(id);
    const offset = sequence.tokenIds.length % this.tokensPerBlock;
    let copy: BlockCopy | undefined;
    if (offset === 0) {
      if (this.#free.size === 0) return undefined;
      sequence.blocks.push(this.#take());
    } else {
      const last = sequence.blocks.at(-1) as BlockId;
      if (this.referencesOf(last) > 1) {
        if (this.#free.size === 0) return undefined;
        const to = this.#take();
        sequence.blocks[sequence.blocks.length - 1] = to;
        this.#release(last);
        copy = { from: last, to };
      }
    }
    sequence.tokenIds.push(tokenId);
    return { copy };
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
      this.#forgetKey(last);
  }

  /** Ends a sequence; what it computed stays findable until the memory is wanted. Safe to call again. */
  close(id: number): void {
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) return;
    this.#sequences.delete(id);
    // Last block first: when memory is wanted, ends of prompts go before their beginnings.
    for (const block of sequence.blocks.reverse()) this.#release(block);
  }

  #take(): BlockId {
    const next = this.#free.values().next();
    if (next.done === true) throw new Error('no free block: the caller did not check');
    const block = next.value;
    this.#free.delete(block);
    this.#forgetKey(block);
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

  #forgetKey(block: BlockId): void {
    const key = this.#keyOf[block];
    if (key === undefined) return;
    this.#keyOf[block] = undefined;
    this.#byKey.delete(key);
  }

  #key(parent: string, tokenIds: readonly number[], index: number): string {
    return `${parent}:${tokenIds.slice(index * this.tokensPerBlock, (index + 1) * this.tokensPerBlock).join(',')}`;
  }

  #must(id: number): MutableSequence {
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) throw new Error(`no sequence ${id}`);
    return sequence;
  }
}
