/** A binary heap of counted pairs: the highest count first, then the smaller key. Entries may be stale. */
interface CountedPair {
  readonly key: number;
  readonly count: number;
}

export interface PairHeap {
  push(key: number, count: number): void;
  pop(): CountedPair | undefined;
}

export function createPairHeap(): PairHeap {
  const entries: CountedPair[] = [];
  const isBefore = (one: CountedPair, other: CountedPair): boolean =>
    one.count > other.count || (one.count === other.count && one.key < other.key);
  return {
    push: (key, count) => {
      const entry = { key, count };
      let at = entries.length;
      entries.push(entry);
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!isBefore(entry, entries[parent] as CountedPair)) break;
        entries[at] = entries[parent] as CountedPair;
        at = parent;
      }
      entries[at] = entry;
    },
    pop: () => {
      const top = entries[0];
      const last = entries.pop();
      if (top === undefined || last === undefined || entries.length === 0) return top;
      let at = 0;
      for (;;) {
        let child = at * 2 + 1;
        if (child >= entries.length) break;
        const right = child + 1;
        if (
          right < entries.length &&
          isBefore(entries[right] as CountedPair, entries[child] as CountedPair)
        ) {
          child = right;
        }
        if (!isBefore(entries[child] as CountedPair, last)) break;
        entries[at] = entries[child] as CountedPair;
        at = child;
      }
      entries[at] = last;
      return top;
    },
  };
}
