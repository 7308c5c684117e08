/** What is to happen, earliest first; equal times in the order they were put in. */
export class EventQueue<Event> {
  readonly #heap: { at: number; sequence: number; event: Event }[] = [];
  #sequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  nextTime(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  /** All of them, soonest first, without taking any out. */
  *inOrder(): Generator<{ at: number; event: Event }> {
    yield* [...this.#heap].sort((a, b) => a.at - b.at || a.sequence - b.sequence);
  }

  push(at: number, event: Event): void {
    const heap = this.#heap;
    const entry = { at, sequence: this.#sequence++, event };
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#before(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  pop(): Event {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) throw new RangeError('no event left');
    if (heap.length === 0) return first.event;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first.event;
  }

  #before(a: { at: number; sequence: number }, b: { at: number; sequence: number }): boolean {
    return a.at === b.at ? a.sequence < b.sequence : a.at < b.at;
  }
}
