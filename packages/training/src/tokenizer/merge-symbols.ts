/**
 * The merges of one piece of text, in rank order and of equals the leftmost first (Sennrich et al. 2016, §3.2). A word is
 * searched again after each merge; a piece that is longer than words are, which anybody can send, goes through a heap of
 * its pairs, so that n characters cost n log n.
 */
import { NumberHeap } from './number-heap.ts';

export interface Merge {
  readonly rank: number;
  /** Of the token that it makes. */
  readonly id: number;
}

export type FindMerge = (left: number, right: number) => Merge | undefined;

const longestWord = 48;

/** `ids` may be changed, and may be the answer. */
export function mergeSymbols(ids: number[], find: FindMerge): number[] {
  return ids.length <= longestWord ? mergeWord(ids, find) : mergeLong(ids, find);
}

function mergeWord(ids: number[], find: FindMerge): number[] {
  for (;;) {
    let best: Merge | undefined;
    let bestLeft = 0;
    for (let index = 0; index + 1 < ids.length; index += 1) {
      const merge = find(ids[index] as number, ids[index + 1] as number);
      if (merge !== undefined && (best === undefined || merge.rank < best.rank)) {
        best = merge;
        bestLeft = index;
      }
    }
    if (best === undefined) return ids;
    ids.splice(bestLeft, 2, best.id);
  }
}

/** Symbols as a linked list over their first places; an entry of the heap is rank · length + place, and may be stale. */
function mergeLong(ids: number[], find: FindMerge): number[] {
  const { length } = ids;
  const after = Int32Array.from(ids, (_, at) => at + 1);
  const before = Int32Array.from(ids, (_, at) => at - 1);
  const heap = new NumberHeap();
  const mergeAt = (place: number): Merge | undefined => {
    const next = after[place] as number;
    return next < length ? find(ids[place] as number, ids[next] as number) : undefined;
  };
  const enter = (place: number): void => {
    const merge = place < 0 ? undefined : mergeAt(place);
    if (merge !== undefined) heap.push(merge.rank * length + place);
  };
  for (let place = 0; place + 1 < length; place += 1) enter(place);
  for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
    const place = entry % length;
    const merge = gone === ids[place] ? undefined : mergeAt(place);
    if (merge === undefined || merge.rank !== Math.floor(entry / length)) continue;
    const taken = after[place] as number;
    const next = after[taken] as number;
    ids[place] = merge.id;
    ids[taken] = gone;
    after[place] = next;
    if (next < length) before[next] = place;
    enter(before[place] as number);
    enter(place);
  }
  return ids.filter((id) => id !== gone);
}

/** No token: its symbol is part of the one before it. */
const gone = -1;
