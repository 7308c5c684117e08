/**
 * Running workloads by their expected ends, earliest first, sorted only as far as is asked: a heap in two
 * columns, because most reservations need a few ends out of very many.
 */
export class EndsInOrder {
  readonly #ids: readonly string[];
  readonly #endMs: Float64Array;
  readonly #heap: Uint32Array;
  #left: number;
  readonly #sorted: number[] = [];

  constructor(ids: readonly string[], endMs: Float64Array) {
    this.#ids = ids;
    this.#endMs = endMs;
    this.#left = ids.length;
    this.#heap = Uint32Array.from(ids, (_, index) => index);
    for (let at = (this.#left >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  get size(): number {
    return this.#ids.length;
  }

  /** The `index`-th to end; equal ends go by id. */
  at(index: number): { id: string; endMs: number } {
    while (this.#sorted.length <= index) {
      this.#sorted.push(this.#heap[0]!);
      this.#heap[0] = this.#heap[--this.#left]!;
      this.#sink(0);
    }
    const found = this.#sorted[index]!;
    return { id: this.#ids[found]!, endMs: this.#endMs[found]! };
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const sinking = heap[from]!;
    let at = from;
    for (let child = 2 * at + 1; child < this.#left; child = 2 * at + 1) {
      if (child + 1 < this.#left && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBefore(heap[child]!, sinking)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = sinking;
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#endMs[a]! - this.#endMs[b]!;
    return difference < 0 || (difference === 0 && this.#ids[a]! < this.#ids[b]!);
  }
}
