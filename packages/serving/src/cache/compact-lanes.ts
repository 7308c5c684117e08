/** Gaps between the lanes are closed: an engine may split a pass there. */
import type { BlockUses } from './block-uses.ts';
import type { BlockId } from './kv-blocks.ts';
import type { KvLanes } from './kv-lanes.ts';
import type { PrefixIndex } from './prefix-index.ts';

interface Parts {
  readonly uses: BlockUses;
  readonly prefixes: PrefixIndex;
}

interface Movable {
  blocks: BlockId[];
  /** How many of its tokens are in the memory. */
  readonly computed: number;
}

/**
 * Moves sequences of at most `mostTokens` computed tokens down into holes, where three lanes or more are taken: with
 * fewer sequences or longer ones the gap costs less than the copy.
 */
export function compactLanes(
  { uses, prefixes }: Parts,
  lanes: KvLanes,
  mostTokens: number,
  tokensPerBlock: number,
  sequenceOf: (id: number) => Movable,
): void {
  for (let hole = lanes.hole(); hole !== undefined; hole = lanes.hole()) {
    const { from, to, sequence: id } = hole;
    const sequence = sequenceOf(id);
    if (lanes.taken < 3 || sequence.computed > mostTokens) return;
    for (let at = 0; at < lanes.blocksEach; at++) prefixes.forget(lanes.blockAt(to, at));
    const computedBlocks = Math.ceil(sequence.computed / tokensPerBlock);
    sequence.blocks = sequence.blocks.map((old, at) => {
      const block = lanes.blockAt(to, at);
      if (at < computedBlocks) uses.move({ kind: 'copy', from: old, to: block });
      prefixes.move(old, block);
      uses.use(block);
      uses.release(old);
      return block;
    });
    lanes.release(from);
    lanes.take(to, id);
  }
}
