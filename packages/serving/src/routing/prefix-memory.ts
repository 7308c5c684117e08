/**
 * What a router believes to lie in each replica's prefix cache: an LRU of block keys of the engine's capacity.
 * A block key must stand for the whole prefix up to and including its block (a chained hash), so a match of
 * the n-th key is a match of all before it.
 */
export class PrefixMemory {
  readonly #blocks = new Map<number | string, true>();
  readonly #capacityBlocks: number;

  constructor(capacityBlocks: number) {
    this.#capacityBlocks = capacityBlocks;
  }

  /** How many leading blocks are believed to be there. */
  match(keys: readonly (number | string)[]): number {
    let matched = 0;
    for (const key of keys) {
      if (!this.#blocks.has(key)) break;
      matched++;
    }
    return matched;
  }

  /** The replica will have computed these; the last touched goes last. Deeper blocks leave before their parents. */
  remember(keys: readonly (number | string)[]): void {
    for (let i = keys.length - 1; i >= 0; i--) {
      const key = keys[i] as number | string;
      this.#blocks.delete(key);
      this.#blocks.set(key, true);
    }
    while (this.#blocks.size > this.#capacityBlocks) {
      const oldest = this.#blocks.keys().next();
      if (oldest.done === true) break;
      this.#blocks.delete(oldest.value);
    }
  }

  get size(): number {
    return this.#blocks.size;
  }

  clear(): void {
    this.#blocks.clear();
  }
}
