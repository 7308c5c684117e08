/**
 * An order for data that is read shard by shard: an epoch takes the shards in an order of its own, so many at a time (a
 * window), and shuffles the sequences of a window among each other. What lies outside the window need not be there. As
 * with the plain order a position says all, so any world size and any resume read the same.
 */
import { permutation, type SequenceSampler } from './sequence-sampler.ts';

export interface ShardedSampler extends SequenceSampler {
  /** Every shard that is read at positions `from` to `to`, without the last, in the order in which they are first needed. */
  shardsBetween(from: number, to: number): readonly number[];
}

interface Window {
  /** Of the epoch: its first position. */
  readonly from: number;
  readonly shards: readonly number[];
  readonly sequences: number;
}

/** `starts`: sequences before each shard, and their number at the end. */
export function createWindowSampler(
  starts: readonly number[],
  windowShards: number,
  seed: number,
): ShardedSampler {
  const sequencesPerEpoch = starts.at(-1) ?? 0;
  if (sequencesPerEpoch < 1) throw new RangeError('a sampler needs at least one sequence');
  const sizeOf = (shard: number): number => (starts[shard + 1] as number) - (starts[shard] as number);
  const filled = Array.from({ length: starts.length - 1 }, (_, shard) => shard).filter(
    (one) => sizeOf(one) > 0,
  );
  const epochSeed = (epoch: number): number => (seed ^ Math.imul(epoch + 1, 0x9e3779b1)) >>> 0;
  const epochOf = (position: number): number => Math.floor(position / sequencesPerEpoch);

  const windowsOf = latest((epoch: number): readonly Window[] => {
    const order = [...permutation(filled.length, epochSeed(epoch))].map((index) => filled[index] as number);
    const windows: Window[] = [];
    let from = 0;
    for (let first = 0; first < order.length; first += windowShards) {
      const shards = order.slice(first, first + windowShards);
      const sequences = shards.reduce((sum, shard) => sum + sizeOf(shard), 0);
      windows.push({ from, shards, sequences });
      from += sequences;
    }
    return windows;
  });
  const shuffledOf = latest((place: number): readonly number[] | Uint32Array => {
    const [epoch, at] = [Math.floor(place / starts.length), place % starts.length];
    const window = windowsOf(epoch)[at] as Window;
    const sequences = window.shards.flatMap((shard) =>
      Array.from({ length: sizeOf(shard) }, (_, index) => (starts[shard] as number) + index),
    );
    return permutation(sequences.length, (epochSeed(epoch) + Math.imul(at + 1, 0x85ebca6b)) >>> 0).map(
      (index) => sequences[index] as number,
    );
  });
  const windowAt = (windows: readonly Window[], place: number): number =>
    windows.findLastIndex(({ from }) => from <= place);

  return {
    sequencesPerEpoch,
    epochOf,
    sequenceAt: (position) => {
      const epoch = epochOf(position);
      const place = position - epoch * sequencesPerEpoch;
      const windows = windowsOf(epoch);
      const at = windowAt(windows, place);
      return shuffledOf(epoch * starts.length + at)[place - (windows[at] as Window).from] as number;
    },
    shardsBetween: (from, to) => {
      const shards = new Set<number>();
      for (let epoch = epochOf(from); epoch <= epochOf(Math.max(from, to - 1)); epoch += 1) {
        const before = epoch * sequencesPerEpoch;
        const isRead = (window: Window): boolean =>
          before + window.from < to && before + window.from + window.sequences > from;
        for (const window of windowsOf(epoch))
          if (isRead(window)) for (const shard of window.shards) shards.add(shard);
      }
      return [...shards];
    },
  };
}

/** Remembers its last answer. */
function latest<Answer>(make: (key: number) => Answer): (key: number) => Answer {
  let known: { readonly key: number; readonly answer: Answer } | undefined;
  return (key) => {
    if (known?.key !== key) known = { key, answer: make(key) };
    return known.answer;
  };
}
