/** Shards as one row of numbered sequences: which tokens of which shard sequence i is. */
export interface SequencePlace {
  readonly shard: number;
  /** Of the shard; the sequence is `time` tokens from here, its targets end one further. */
  readonly firstToken: number;
}

export interface SequenceIndex {
  readonly sequences: number;
  /** Sequences before each shard, and their number at the end. */
  readonly starts: readonly number[];
  placeOf(sequence: number): SequencePlace;
}

/** The last token of a shard is only ever a target: no sequence reaches over the end of one. */
export function createSequenceIndex(shardTokens: readonly number[], time: number): SequenceIndex {
  const starts = [0];
  for (const tokens of shardTokens)
    starts.push((starts.at(-1) as number) + Math.max(0, Math.floor((tokens - 1) / time)));
  const sequences = starts.at(-1) as number;
  return {
    sequences,
    starts,
    placeOf: (sequence) => {
      if (sequence < 0 || sequence >= sequences) throw new RangeError(`there is no sequence ${sequence}`);
      let low = 0;
      let high = shardTokens.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >>> 1;
        if ((starts[middle] as number) <= sequence) low = middle;
        else high = middle - 1;
      }
      return { shard: low, firstToken: (sequence - (starts[low] as number)) * time };
    },
  };
}
