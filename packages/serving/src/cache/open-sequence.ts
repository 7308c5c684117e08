/** Where the blocks of a new sequence lie, by the kind of memory, and what has to move for it. */
import type { BlockUses } from './block-uses.ts';
import type { BlockId } from './kv-blocks.ts';
import type { KvLanes } from './kv-lanes.ts';
import type { Found, PrefixIndex } from './prefix-index.ts';

/** The blocks of a sequence; so many of the first hold their tokens, or will once the moves are done. */
export interface Opened {
  readonly blocks: BlockId[];
  readonly reused: number;
}

interface Parts {
  readonly uses: BlockUses;
  readonly prefixes: PrefixIndex;
}

/** What is known of the beginning is pointed at, or fetched; undefined when too few blocks are free. */
export function openInPool(
  { uses, prefixes }: Parts,
  found: readonly Found[],
  total: number,
): Opened | undefined {
  if (total - usedOf(found, uses) > uses.free) return undefined;
  // What is found is held first, so that taking the rest cannot push it out.
  const held = found.map(({ key, node }) => {
    if ('slot' in node) {
      prefixes.reserve(key);
      return undefined;
    }
    const block = uses.cheapest(node.blocks);
    uses.use(block);
    return block;
  });
  const blocks = found.map(({ key, node }, at) => {
    if ('blocks' in node) return held[at] as BlockId;
    const block = uses.take();
    uses.move(prefixes.fetch(key, node, block));
    return block;
  });
  while (blocks.length < total) blocks.push(uses.take());
  return { blocks, reused: found.length };
}

/** How many of the blocks found are in use: they cost nothing. */
export const usedOf = (found: readonly Found[], uses: BlockUses): number =>
  found.filter(({ node }) => 'blocks' in node && !uses.isFree(uses.cheapest(node.blocks))).length;

/** The beginning is where it lies, or copied or fetched into another lane; undefined when no lane is free. */
export function openInLane(
  { uses, prefixes }: Parts,
  lanes: KvLanes,
  found: readonly Found[],
  total: number,
): Opened | undefined {
  if (!lanes.hasFree) return undefined;
  const held = Array.from({ length: lanes.count }, (_, lane) => {
    const end = found.findIndex(({ key }, at) => !prefixes.holds(lanes.blockAt(lane, at), key));
    return end === -1 ? found.length : end;
  });
  const { lane, own, reused, from } = lanes.place(held, found.length);
  const added = found.slice(own, reused);
  for (const { key } of added) prefixes.reserve(key);
  clearLane({ uses, prefixes }, lanes, lane, own);
  const blocks = Array.from({ length: total }, (_, at) => lanes.blockAt(lane, at));
  for (const block of blocks) uses.use(block);
  for (const [at, { key, node }] of added.entries()) {
    const block = lanes.blockAt(lane, own + at);
    if ('slot' in node) {
      uses.move(prefixes.fetch(key, node, block));
      continue;
    }
    const beside = lanes.blockAt(from, own + at);
    const source = prefixes.holds(beside, key) ? beside : uses.cheapest(node.blocks);
    uses.move({ kind: 'copy', from: source, to: block });
    prefixes.hold(block, key, node.name);
  }
  return { blocks, reused };
}

/** What the lane holds from block `keep` on leaves it, ends first, so that beginnings stay in the tier longest. */
function clearLane({ uses, prefixes }: Parts, lanes: KvLanes, lane: number, keep: number): void {
  const blocks = Array.from({ length: lanes.blocksEach }, (_, at) => lanes.blockAt(lane, at));
  const known = blocks.filter((block) => prefixes.isKnown(block));
  for (const block of blocks.slice(keep).reverse()) uses.evict(block, known.length >= lanes.spillFromBlocks);
}
