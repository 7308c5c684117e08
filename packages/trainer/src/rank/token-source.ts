/** Token shards as numbered sequences: number i is `time` tokens, and their successors as targets. */
import type { TokenArray } from '@gantry/training/data';
import { readTokens, type TokenShard } from '../data/index.ts';

export interface SequenceTarget {
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
}

export interface TokenSource {
  readonly sequences: number;
  /** Fills row `row` (of `time` tokens) of the batch with sequence `index`. */
  fill(index: number, batch: SequenceTarget, row: number): void;
}

function createTokenSource(shards: readonly TokenArray[], time: number): TokenSource {
  /** The last token of a shard is only ever a target. */
  const counts = shards.map((shard) => Math.max(0, Math.floor((shard.length - 1) / time)));
  return {
    sequences: counts.reduce((sum, count) => sum + count, 0),
    fill: (index, batch, row) => {
      let rest = index;
      let shardIndex = 0;
      while (rest >= (counts[shardIndex] ?? 0)) {
        rest -= counts[shardIndex] ?? 0;
        shardIndex += 1;
        if (shardIndex >= shards.length) throw new RangeError(`there is no sequence ${index}`);
      }
      const shard = shards[shardIndex] as TokenArray;
      for (let at = 0; at < time; at += 1) {
        batch.tokens[row * time + at] = BigInt(shard[rest * time + at] as number);
        batch.targets[row * time + at] = BigInt(shard[rest * time + at + 1] as number);
      }
    },
  };
}

export async function openTokenSource(shards: readonly TokenShard[], time: number): Promise<TokenSource> {
  return createTokenSource(await Promise.all(shards.map(readTokens)), time);
}
