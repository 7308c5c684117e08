/**
 * Moves of blocks as what an engine whose lanes move whole can do: copy a lane's beginning, write a lane to the slower
 * tier, bring a beginning back. A lane holds the prefix of each of its blocks, so its last block says where all before
 * it can be had.
 */
import type { BlockId, KvMove } from './kv-blocks.ts';

export type LaneCommand =
  /** The first `tokens` of `from`, or as many as it holds, become the whole content of `to`. */
  | { readonly kind: 'copy'; readonly from: number; readonly to: number; readonly tokens: number }
  /** What the lane holds goes to the slower tier; these slots are found in it. */
  | { readonly kind: 'park'; readonly lane: number; readonly slots: readonly number[] }
  /** The first `tokens` of what was parked with this slot become the whole content of the lane, from `block` on. */
  | {
      readonly kind: 'restore';
      readonly slot: number;
      readonly lane: number;
      readonly tokens: number;
      readonly block: BlockId;
    };

/** In the order of the moves; those of one lane that follow each other become one command. */
export function laneCommands(
  moves: readonly KvMove[],
  { blocksEach, tokensPerBlock }: { readonly blocksEach: number; readonly tokensPerBlock: number },
): LaneCommand[] {
  const laneOf = (block: BlockId): number => Math.floor(block / blocksEach);
  const commands: LaneCommand[] = [];
  /** The block that the last command ends with, while the next move may go on with it. */
  let end: BlockId | undefined;
  for (const move of moves) {
    const last = commands.at(-1);
    if (move.kind === 'spill') {
      const lane = laneOf(move.block);
      if (last?.kind === 'park' && last.lane === lane && end !== undefined && move.block < end)
        commands[commands.length - 1] = { ...last, slots: [...last.slots, move.slot] };
      else commands.push({ kind: 'park', lane, slots: [move.slot] });
      end = move.block;
      continue;
    }
    const target = move.kind === 'copy' ? move.to : move.block;
    const lane = laneOf(target);
    const goesOn =
      last !== undefined && last.kind !== 'park' && end !== undefined && laneOf(end) === lane && target > end;
    if (goesOn) commands.pop();
    const tokens = ((target % blocksEach) + 1) * tokensPerBlock;
    commands.push(
      move.kind === 'copy'
        ? { kind: 'copy', from: laneOf(move.from), to: lane, tokens }
        : { kind: 'restore', slot: move.slot, lane, tokens, block: target },
    );
    end = target;
  }
  return commands;
}
