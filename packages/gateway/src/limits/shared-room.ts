/**
 * Values of tenants within one bound of bytes. When the room is full, whoever holds most gives up its oldest first: a
 * tenant that fills the room pushes out its own, never what a smaller neighbour has, and learns nothing of it.
 */

interface Held<V> {
  readonly value: V;
  readonly bytes: number;
}

interface Shelf<V> {
  bytes: number;
  /** Oldest first. */
  readonly entries: Map<string, Held<V>>;
}

export class SharedRoom<V> {
  readonly #shelves = new Map<string, Shelf<V>>();
  readonly #maxBytes: number;
  readonly #onPushedOut: (tenantId: string, key: string) => void;
  #bytes = 0;

  constructor(maxBytes: number, onPushedOut: (tenantId: string, key: string) => void = () => undefined) {
    this.#maxBytes = maxBytes;
    this.#onPushedOut = onPushedOut;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(tenantId: string, key: string): V | undefined {
    return this.#shelves.get(tenantId)?.entries.get(key)?.value;
  }

  /** Makes it the newest of its tenant. */
  touch(tenantId: string, key: string): void {
    const entries = this.#shelves.get(tenantId)?.entries;
    const held = entries?.get(key);
    if (entries === undefined || held === undefined) return;
    entries.delete(key);
    entries.set(key, held);
  }

  /** As the newest; what had the same key is replaced. */
  set(tenantId: string, key: string, value: V, bytes: number): void {
    this.delete(tenantId, key);
    let shelf = this.#shelves.get(tenantId);
    if (shelf === undefined) this.#shelves.set(tenantId, (shelf = { bytes: 0, entries: new Map() }));
    shelf.entries.set(key, { value, bytes });
    shelf.bytes += bytes;
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) this.#pushOut();
  }

  delete(tenantId: string, key: string): boolean {
    const shelf = this.#shelves.get(tenantId);
    const held = shelf?.entries.get(key);
    if (shelf === undefined || held === undefined) return false;
    shelf.entries.delete(key);
    shelf.bytes -= held.bytes;
    this.#bytes -= held.bytes;
    if (shelf.entries.size === 0) this.#shelves.delete(tenantId);
    return true;
  }

  /** Tenants are few beside what they hold. */
  #pushOut(): void {
    let largest: readonly [string, Shelf<V>] | undefined;
    for (const each of this.#shelves)
      if (largest === undefined || each[1].bytes > largest[1].bytes) largest = each;
    const [oldest] = largest?.[1].entries.keys() ?? [];
    if (largest === undefined || oldest === undefined) return;
    this.delete(largest[0], oldest);
    this.#onPushedOut(largest[0], oldest);
  }
}
