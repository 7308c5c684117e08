/** A binary heap of numbers: the smallest first. Eight bytes an entry, so that a pair of every character fits. */
export class NumberHeap {
  readonly #entries: number[] = [];

  push(entry: number): void {
    const entries = this.#entries;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent] as number;
      if (above <= entry) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): number | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && (entries[child + 1] as number) < (entries[child] as number))
        child += 1;
      if ((entries[child] as number) >= last) break;
      entries[at] = entries[child] as number;
      at = child;
    }
    entries[at] = last;
    return top;
  }
}
