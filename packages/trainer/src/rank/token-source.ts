/** Token shards as numbered sequences: number i is `time` tokens, and their successors as targets. */
import { halvesOf, ShardSet, type TokenShard } from '../data/index.ts';

export interface SequenceTarget {
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
}

export interface TokenSource extends Disposable {
  readonly sequences: number;
  /** Fills row `row` (of `time` tokens) of the batch with sequence `index`. */
  fill(index: number, batch: SequenceTarget, row: number): void;
}

export function openTokenSource(shards: readonly TokenShard[], time: number): TokenSource {
  const set = new ShardSet(shards, time);
  return {
    sequences: set.index.sequences,
    fill: (index, batch, row) =>
      set.fill(index, { tokens: halvesOf(batch.tokens), targets: halvesOf(batch.targets) }, row),
    [Symbol.dispose]: () => set[Symbol.dispose](),
  };
}
